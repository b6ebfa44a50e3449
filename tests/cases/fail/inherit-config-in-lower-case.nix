# error: builtins.ociImage: inheritConfig[0]: found "env"
# at: 5:3
builtins.ociImage {
  name = "app";
  inheritConfig = [ "env" ];
}
