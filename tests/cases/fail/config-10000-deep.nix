# error: more than 64 values inside each other
# at: 5:41
builtins.ociImage {
  name = "app";
  config = builtins.foldl' (inner: _: { a = inner; }) { } (builtins.genList (x: x) 10000);
}
