# error: builtins.ociImage: config.StopTimeout: found an integer (-1), accepted: an integer of seconds, 0 or more
# at: 5:3
builtins.ociImage {
  name = "app";
  config.StopTimeout = -1;
}
