# error: builtins.ociImage: inheritConfig: found "Env", accepted: "all" or a list of configuration keys such as [ "Env" ]
# at: 5:3
builtins.ociImage {
  name = "app";
  inheritConfig = "Env";
}
