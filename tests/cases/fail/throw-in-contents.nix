# error: error: mine
# at: none
builtins.ociImage {
  name = "app";
  contents = [ (import ../package.nix (throw "mine")) ];
}
