# error: builtins.ociImage: config.StopSignal: found "SIGFOO", accepted: a signal as a string: "SIGTERM", "TERM", 
# at: 5:3
builtins.ociImage {
  name = "app";
  config.StopSignal = "SIGFOO";
}
