# error: builtins.ociImage: keepContentsDirlinks: found null, accepted: true or false
# at: 5:3
builtins.ociImage {
  name = "app";
  keepContentsDirlinks = null;
}
