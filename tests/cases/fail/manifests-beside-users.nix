# error: builtins.ociImage: users: cannot be given with manifests, whose images say it already
# at: 6:3
builtins.ociImage {
  name = "app";
  manifests = [ (builtins.ociImage { name = "a"; }) ];
  users.app.uid = 1000;
}
