# error: builtins.ociImage: config.Labels."org.example.version": found an integer (3), accepted: a string
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Labels."org.example.version" = 3;
}
