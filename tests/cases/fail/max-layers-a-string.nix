# error: builtins.ociImage: maxLayers: found "100", accepted: an integer from 1 to 127
# at: 5:3
builtins.ociImage {
  name = "app";
  maxLayers = "100";
}
