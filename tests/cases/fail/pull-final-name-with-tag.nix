# error: builtins.pullImage: finalImageName: found "app:1"
# at: 6:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
  finalImageName = "app:1";
}
