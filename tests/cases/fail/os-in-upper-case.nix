# error: builtins.ociImage: os: found "Linux", did you mean "linux"?
# at: 5:3
builtins.ociImage {
  name = "app";
  os = "Linux";
}
