# error: builtins.ociImage: layers[1]: found an empty list, accepted: one path or more
# at: 5:3
builtins.ociImage {
  name = "app";
  layers = [
    (import ../package.nix "hello")
    [ ]
  ];
}
