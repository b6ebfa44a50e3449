# error: builtins.ociImage: contentz: unknown argument, did you mean "contents"?
# at: 5:3
builtins.ociImage {
  name = "app";
  contentz = [ ];
}
