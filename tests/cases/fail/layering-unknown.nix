# error: builtins.ociImage: layering: found "sizes", did you mean "size"?
# at: 5:3
builtins.ociImage {
  name = "app";
  layering = "sizes";
}
