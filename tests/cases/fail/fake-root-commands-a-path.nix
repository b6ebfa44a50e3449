# error: builtins.ociImage: fakeRootCommands: found a path (
# at: 5:3
builtins.ociImage {
  name = "app";
  fakeRootCommands = ./argument-unknown.nix;
}
