# error: builtins.ociImage: config.Labels."": found an empty name, accepted: a label with a name
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Labels."" = "x";
}
