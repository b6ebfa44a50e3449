# error: builtins.ociImage: layers: found "/nix/store/
# at: 5:3
builtins.ociImage {
  name = "app";
  layers = import ../package.nix "hello";
}
