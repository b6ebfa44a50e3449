# error: builtins.ociImage: users.App: found "App", accepted: at most 32 of a-z, 0-9, "_", "." and "-", the first a letter or "_"
# at: 5:3
builtins.ociImage {
  name = "app";
  users.App.uid = 1000;
}
