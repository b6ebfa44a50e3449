# error: builtins.pullImage: tlsVerify: found "no"
# at: 6:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
  tlsVerify = "no";
}
