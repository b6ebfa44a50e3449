# error: builtins.ociImage: name: found "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…", a name has 255 characters at most
# at: 4:3
builtins.ociImage {
  name = builtins.concatStringsSep "" (builtins.genList (_: "a") 256);
}
