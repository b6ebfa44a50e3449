# error: builtins.ociImage: maxLayers: found an integer (1000000000), accepted: an integer from 1 to 127
# at: 5:3
builtins.ociImage {
  name = "app";
  maxLayers = 1000000000;
}
