# error: builtins.ociImage: config.Cmd: found "sleep 5", accepted: a list of strings such as [ "sleep" "5" ]
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Cmd = "sleep 5";
}
