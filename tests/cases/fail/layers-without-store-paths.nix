# error: builtins.ociImage: layers: cannot be given with includeStorePaths = false
# at: 6:3
builtins.ociImage {
  name = "app";
  includeStorePaths = false;
  layers = [ (import ../package.nix "hello") ];
}
