# error: builtins.ociImage: runAsRoot: cannot be given with manifests, whose images say it already
# at: 6:3
builtins.ociImage {
  name = "app";
  manifests = [ (builtins.ociImage { name = "a"; }) ];
  runAsRoot = null;
}
