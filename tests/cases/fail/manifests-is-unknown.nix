# error: builtins.ociImage: manifests: unknown argument, 
# at: 6:3
# An argument of a later version.
builtins.ociImage {
  name = "app";
  manifests = null;
}
