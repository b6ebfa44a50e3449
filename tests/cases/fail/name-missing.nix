# error: builtins.ociImage: name: required, but missing
# at: 4:3
builtins.ociImage {
  tag = "1";
}
