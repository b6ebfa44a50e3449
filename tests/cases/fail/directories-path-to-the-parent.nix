# error: builtins.ociImage: directories."/a/../etc": found "/a/../etc", accepted: an absolute path without ".", ".." and needless slashes
# at: 5:3
builtins.ociImage {
  name = "app";
  directories."/a/../etc" = { };
}
