# error: builtins.ociImage: compressor: found "xz", accepted: "none" or "gz" or "zstd"
# at: 5:3
builtins.ociImage {
  name = "app";
  compressor = "xz";
}
