# error: builtins.pullImage: imageDigest: found "sha256:AAAA
# at: 5:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigest = "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
}
