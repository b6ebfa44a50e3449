# error: builtins.ociImage: directories."/tmp".mode: found "u+x", accepted: a string of 3 or 4 octal digits such as "0755"
# at: 5:3
builtins.ociImage {
  name = "app";
  directories."/tmp".mode = "u+x";
}
