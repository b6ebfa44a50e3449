# error: builtins.pullImage: tag: found "a/b"
# at: 5:3
builtins.pullImage {
  imageName = "registry.example/app";
  tag = "a/b";
}
