# error: error: mine
# at: none
# The user's own words; Nix before 2.9 tells no place of a throw.
builtins.ociImage {
  name = "app";
  config.Cmd = [ (throw "mine") ];
}
