# error: builtins.ociImage: inheritConfig: found null
# at: 5:3
builtins.ociImage {
  name = "app";
  inheritConfig = null;
}
