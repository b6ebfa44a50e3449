# error: undefined variable 'undefinedName'
# at: 5:18
builtins.ociImage {
  name = "app";
  config.Cmd = [ undefinedName ];
}
