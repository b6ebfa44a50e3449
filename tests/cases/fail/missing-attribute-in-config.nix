# error: attribute 'lib' missing
# at: none
builtins.ociImage {
  name = "app";
  config.Cmd = [ { }.lib ];
}
