# error: builtins.pullImage: imageDigest: required, but missing (or tag, which is resolved now)
# at: 4:3
builtins.pullImage {
  imageName = "registry.example/app";
}
