# error: builtins.pullImage: os: found "Linux"
# at: 6:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
  os = "Linux";
}
