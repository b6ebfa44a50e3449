# error: more than 64 values inside each other
# at: 5:3
builtins.ociImage {
  name = "app";
  layering = builtins.foldl' (inner: _: [ inner ]) [ ] (builtins.genList (x: x) 10000);
}
