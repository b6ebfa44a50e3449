# error: builtins.ociImage: meta: found "x", accepted: a set
# at: 5:3
builtins.ociImage {
  name = "app";
  meta = "x";
}
