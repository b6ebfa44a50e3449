# error: builtins.pullImage: imageName: required, but missing
# at: 4:3
builtins.pullImage {
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
}
