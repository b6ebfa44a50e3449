# error: builtins.pullImage: imageDigset: unknown argument, did you mean "imageDigest"?
# at: 5:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigset = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
}
