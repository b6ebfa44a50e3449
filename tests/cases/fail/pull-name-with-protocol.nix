# error: builtins.pullImage: imageName: found "https://registry.example/app"
# at: 4:3
builtins.pullImage {
  imageName = "https://registry.example/app";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
}
