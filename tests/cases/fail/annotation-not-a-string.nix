# error: builtins.ociImage: annotations.version: found a boolean (true), accepted: a string
# at: 5:3
builtins.ociImage {
  name = "app";
  annotations.version = true;
}
