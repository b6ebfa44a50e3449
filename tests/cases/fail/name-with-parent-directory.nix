# error: builtins.ociImage: name: found "../app", a name has no empty part, no ".."
# at: 4:3
builtins.ociImage {
  name = "../app";
}
