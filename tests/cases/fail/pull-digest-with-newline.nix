# error: builtins.pullImage: imageDigest: found "sha256:
# at: 5:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000\n";
}
