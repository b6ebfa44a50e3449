# error: builtins.ociImage: extraCommands: found null, accepted: a shell script as a string (builtins.readFile reads one from a file)
# at: 5:3
builtins.ociImage {
  name = "app";
  extraCommands = null;
}
