# error: builtins.ociImage: compressionLevel: found an integer (0), accepted: null or an integer from 1 to 12 for compression = "gzip"
# at: 6:3
builtins.ociImage {
  name = "app";
  compression = "gzip";
  compressionLevel = 0;
}
