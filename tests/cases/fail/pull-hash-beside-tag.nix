# error: builtins.pullImage: imageDigest: required beside hash, but missing
# at: 4:3
builtins.pullImage {
  imageName = "registry.example/app";
  tag = "1";
  hash = "";
}
