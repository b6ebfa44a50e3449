# error: builtins.pullImage: imageName: found "Registry.example/App", accepted: lower case, "registry.example/app"
# at: 4:3
builtins.pullImage {
  imageName = "Registry.example/App";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
}
