# error: builtins.ociImage: passthru: found a list, accepted: a set
# at: 5:3
builtins.ociImage {
  name = "app";
  passthru = [ ];
}
