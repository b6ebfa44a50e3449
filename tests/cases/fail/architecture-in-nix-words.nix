# error: builtins.ociImage: architecture: found "x86_64", did you mean "amd64"?
# at: 5:3
builtins.ociImage {
  name = "app";
  architecture = "x86_64";
}
