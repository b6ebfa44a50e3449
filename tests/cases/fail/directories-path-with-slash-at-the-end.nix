# error: builtins.ociImage: directories."/tmp/": found "/tmp/", accepted: an absolute path without ".", ".." and needless slashes
# at: 5:3
builtins.ociImage {
  name = "app";
  directories."/tmp/" = { };
}
