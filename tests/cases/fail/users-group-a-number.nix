# error: builtins.ociImage: users.app.group: found an integer (1000), accepted: the name of a group
# at: 7:5
builtins.ociImage {
  name = "app";
  users.app = {
    uid = 1000;
    group = 1000;
  };
}
