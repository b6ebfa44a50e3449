# error: builtins.ociImage: config.Env[0]: found "=x", accepted: "NAME=value" with a name
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Env = [ "=x" ];
}
