# error: builtins.ociImage: compressionLevel: found an integer (6), accepted: null, because compression = "none" has no levels
# at: 5:3
builtins.ociImage {
  name = "app";
  compressionLevel = 6;
}
