# error: builtins.pullImage: credentials: unknown argument
# at: 6:3
builtins.pullImage {
  imageName = "registry.example/app";
  imageDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
  credentials = "user:secret";
}
