# error: builtins.ociImage: fromImage: unknown argument, 
# at: 6:3
# An argument of a later version.
builtins.ociImage {
  name = "app";
  fromImage = null;
}
