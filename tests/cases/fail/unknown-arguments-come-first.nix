# error: builtins.ociImage: tagg: unknown argument, did you mean "tag"?
# at: 6:3
builtins.ociImage {
  name = "app";
  maxLayers = 0;
  tagg = "1";
}
