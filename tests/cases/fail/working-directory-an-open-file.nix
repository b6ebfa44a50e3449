# error: builtins.ociImage: config.WorkingDir: found "/proc/self/fd/7", accepted: "" or an absolute path without "..", not below /proc/self/fd
# at: 5:3
builtins.ociImage {
  name = "app";
  config.WorkingDir = "/proc/self/fd/7";
}
