# error: builtins.ociImage: config.Env: found a set, accepted: a list of strings such as [ "NAME=value" ]
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Env = {
    A = "b";
  };
}
