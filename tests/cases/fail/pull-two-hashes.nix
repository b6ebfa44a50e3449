# error: builtins.pullImage: sha256: cannot be given beside hash: one hash, or none
# at: 7:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
  hash = "";
  sha256 = "";
}
