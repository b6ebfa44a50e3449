# error: builtins.ociImage: layers[1].copytoRoot: unknown attribute, did you mean "copyToRoot"?
# at: 7:7
builtins.ociImage {
  name = "app";
  layers = [
    (import ../package.nix "hello")
    { copytoRoot = import ../package.nix "hello"; }
  ];
}
