# error: builtins.ociImage: compressor: found "gz", accepted: "none" unless format = "archive"; compression is that of the layers
# at: 6:3
builtins.ociImage {
  name = "app";
  format = "stream";
  compressor = "gz";
}
