# error: builtins.ociImage: contents: found null, accepted: a package
# at: 5:3
builtins.ociImage {
  name = "app";
  contents = null;
}
