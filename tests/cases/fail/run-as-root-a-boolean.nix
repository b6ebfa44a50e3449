# error: builtins.ociImage: runAsRoot: found a boolean (true), accepted: a shell script as a string (builtins.readFile reads one from a file)
# at: 5:3
builtins.ociImage {
  name = "app";
  runAsRoot = true;
}
