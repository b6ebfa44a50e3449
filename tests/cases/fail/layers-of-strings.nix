# error: builtins.ociImage: layers[0][0]: found "hello", a string without context, which Nix would neither build nor keep
# at: 5:3
builtins.ociImage {
  name = "app";
  layers = [ [ "hello" ] ];
}
