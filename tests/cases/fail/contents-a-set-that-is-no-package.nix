# error: builtins.ociImage: contents[0]: found a set without outPath, accepted: a package, a path, or a string with the context of one
# at: 5:3
builtins.ociImage {
  name = "app";
  contents = [ { bin = "x"; } ];
}
