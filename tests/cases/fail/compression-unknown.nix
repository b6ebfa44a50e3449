# error: builtins.ociImage: compression: found "xz", accepted: "none" or "gzip" or "zstd"
# at: 5:3
builtins.ociImage {
  name = "app";
  compression = "xz";
}
