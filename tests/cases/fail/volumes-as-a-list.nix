# error: builtins.ociImage: config.Volumes: found a list, accepted: a set such as { "/data" = { }; }
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Volumes = [ "/data" ];
}
