# error: builtins.pullImage: imageName: found "app:1", a tag does not belong in the name, use the argument `tag`
# at: 4:3
builtins.pullImage {
  imageName = "app:1";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
}
