# error: builtins.ociImage: config: found a list, accepted: a set such as { Cmd = [ "/bin/app" ]; }
# at: 5:3
builtins.ociImage {
  name = "app";
  config = [ ];
}
