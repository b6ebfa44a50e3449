# error: builtins.ociImage: inheritConfig[0]: found an integer (3), accepted: the name of a configuration key
# at: 5:3
builtins.ociImage {
  name = "app";
  inheritConfig = [ 3 ];
}
