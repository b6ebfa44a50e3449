# error: builtins.ociImage: config.Env[0]: "A=\xff" is not valid UTF-8
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Env = [ "A=${builtins.substring 0 1 (builtins.readFile ../latin1.txt)}" ];
}
