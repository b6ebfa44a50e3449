# error: cases/fail/does-not-exist
# at: none
# Nix's own words: "getting status of", "path ... does not exist".
builtins.ociImage {
  name = "app";
  contents = ./does-not-exist;
}
