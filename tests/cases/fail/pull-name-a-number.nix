# error: builtins.pullImage: imageName: found an integer (3)
# at: 4:3
builtins.pullImage {
  imageName = 3;
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
}
