# error: builtins.ociImage: diskSize: unknown argument, accepted: name, tag, contents, copyToRoot, keepContentsDirlinks, layers, 
# at: 5:3
builtins.ociImage {
  name = "app";
  diskSize = 1024;
}
