# error: builtins.ociImage: directories."/tmp".mdoe: unknown attribute, did you mean "mode"?
# at: 5:3
builtins.ociImage {
  name = "app";
  directories."/tmp".mdoe = "1777";
}
