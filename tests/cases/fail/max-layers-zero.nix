# error: builtins.ociImage: maxLayers: found an integer (0), accepted: an integer from 1 to 127
# at: 5:3
builtins.ociImage {
  name = "app";
  maxLayers = 0;
}
