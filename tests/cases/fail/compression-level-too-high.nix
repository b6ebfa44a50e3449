# error: builtins.ociImage: compressionLevel: found an integer (20), accepted: null or an integer from 1 to 19 for compression = "zstd"
# at: 6:3
builtins.ociImage {
  name = "app";
  compression = "zstd";
  compressionLevel = 20;
}
