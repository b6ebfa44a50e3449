# error: builtins.pullImage: tag: cannot be given beside imageDigest, which says more than a tag does
# at: 6:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
  tag = "1";
}
