# error: builtins.ociImage: config.WorkingDir: found "srv/app", accepted: "" or an absolute path without "..", not below /proc/self/fd
# at: 5:3
builtins.ociImage {
  name = "app";
  config.WorkingDir = "srv/app";
}
