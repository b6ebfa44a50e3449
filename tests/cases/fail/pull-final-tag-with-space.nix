# error: builtins.pullImage: finalImageTag: found "a b"
# at: 6:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
  finalImageTag = "a b";
}
