# error: builtins.pullImage: arch: found "x86_64"
# at: 6:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
  arch = "x86_64";
}
