# error: builtins.ociImage: format: found "tarball", accepted: "archive" or "layout"
# at: 5:3
builtins.ociImage {
  name = "app";
  format = "tarball";
}
