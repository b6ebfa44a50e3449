# error: builtins.ociImage: format: found "tarball", accepted: "archive" or "layout" or "stream"
# at: 5:3
builtins.ociImage {
  name = "app";
  format = "tarball";
}
