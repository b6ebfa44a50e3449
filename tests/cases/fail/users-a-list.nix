# error: builtins.ociImage: users: found a list, accepted: a set such as { app = { uid = 1000; }; }
# at: 5:3
builtins.ociImage {
  name = "app";
  users = [ "app" ];
}
