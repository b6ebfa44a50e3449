# error: builtins.ociImage: extraCommands: found a list, accepted: a shell script as a string (builtins.readFile reads one from a file)
# at: 5:3
builtins.ociImage {
  name = "app";
  extraCommands = [ "mkdir data" ];
}
