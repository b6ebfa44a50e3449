# error: builtins.ociImage: config.Volumes."../x": found "../x", accepted: an absolute path below / without ".."
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Volumes."../x" = { };
}
