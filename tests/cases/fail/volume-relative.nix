# error: builtins.ociImage: config.Volumes.a: found "a", accepted: an absolute path below / without ".."
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Volumes."a" = { };
}
