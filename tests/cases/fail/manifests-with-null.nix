# error: builtins.ociImage: manifests[0]: found null
# at: 5:3
builtins.ociImage {
  name = "app";
  manifests = [ null ];
}
