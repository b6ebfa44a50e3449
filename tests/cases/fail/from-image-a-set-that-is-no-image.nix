# error: builtins.ociImage: fromImage: found a set
# at: 5:3
builtins.ociImage {
  name = "app";
  fromImage = { };
}
