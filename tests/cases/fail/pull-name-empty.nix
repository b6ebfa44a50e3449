# error: builtins.pullImage: imageName: found ""
# at: 4:3
builtins.pullImage {
  imageName = "";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
}
