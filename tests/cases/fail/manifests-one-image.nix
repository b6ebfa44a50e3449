# error: builtins.ociImage: manifests: found 
# at: 5:3
builtins.ociImage {
  name = "app";
  manifests = builtins.ociImage { name = "a"; };
}
