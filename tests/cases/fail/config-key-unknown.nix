# error: builtins.ociImage: config.Memory: unknown key, accepted: User, ExposedPorts, Env, Entrypoint, Cmd, 
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Memory = 512;
}
