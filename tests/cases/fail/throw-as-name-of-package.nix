# error: error: mine
# at: none
builtins.ociImage {
  name = "app";
  contents = throw "mine";
}
