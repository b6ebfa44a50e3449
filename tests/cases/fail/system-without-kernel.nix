# error: builtins.ociImage: system: found "x86_64", accepted: a Nix system such as "x86_64-linux"
# at: 5:3
builtins.ociImage {
  name = "app";
  system = "x86_64";
}
