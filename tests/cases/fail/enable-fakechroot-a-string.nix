# error: builtins.ociImage: enableFakechroot: found "true", accepted: true or false
# at: 5:3
builtins.ociImage {
  name = "app";
  enableFakechroot = "true";
}
