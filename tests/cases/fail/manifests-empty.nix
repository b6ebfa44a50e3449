# error: builtins.ociImage: manifests: found an empty list, accepted: one image or more
# at: 5:3
builtins.ociImage {
  name = "app";
  manifests = [ ];
}
