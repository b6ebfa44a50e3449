# error: no name
# at: none
builtins.pullImage {
  imageName = throw "no name";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
}
