# error: builtins.ociImage: minLayerSize: found an integer (-1), accepted: an integer of bytes, 0 or more
# at: 5:3
builtins.ociImage {
  name = "app";
  minLayerSize = -1;
}
