# error: builtins.pullImage: hash: found a list, accepted: a string
# at: 6:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
  hash = [ ];
}
