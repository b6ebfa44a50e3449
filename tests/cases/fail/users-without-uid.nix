# error: builtins.ociImage: users.app.uid: required, but missing
# at: 6:5
builtins.ociImage {
  name = "app";
  users = {
    app = { gid = 1; };
  };
}
