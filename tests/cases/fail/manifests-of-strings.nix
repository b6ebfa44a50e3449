# error: builtins.ociImage: manifests[0]: found "debian:12"
# at: 5:3
builtins.ociImage {
  name = "app";
  manifests = [ "debian:12" ];
}
