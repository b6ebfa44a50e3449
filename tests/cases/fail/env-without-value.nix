# error: builtins.ociImage: config.Env[1]: found "PATH", accepted: "NAME=value" with a name
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Env = [ "A=b" "PATH" ];
}
