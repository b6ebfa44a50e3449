# error: builtins.pullImage: imageDigest: found an integer (12)
# at: 5:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigest = 12;
}
