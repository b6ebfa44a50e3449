# error: builtins.ociImage: config.Volumes."/a/../../b": found "/a/../../b", accepted: an absolute path below / without ".."
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Volumes."/a/../../b" = { };
}
