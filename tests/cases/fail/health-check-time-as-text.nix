# error: builtins.ociImage: config.Healthcheck.Interval: found "30s", accepted: an integer of nanoseconds
# at: 7:5
builtins.ociImage {
  name = "app";
  config.Healthcheck = {
    Test = [ "CMD" "true" ];
    Interval = "30s";
  };
}
