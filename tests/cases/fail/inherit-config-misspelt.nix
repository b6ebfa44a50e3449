# error: builtins.ociImage: inheritConfig[1]: found "Uesr"
# at: 5:3
builtins.ociImage {
  name = "app";
  inheritConfig = [ "Env" "Uesr" ];
}
