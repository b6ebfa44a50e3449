# error: builtins.ociImage: users.b.uid: found 1000, which is also the uid of "a"
# at: 7:5
builtins.ociImage {
  name = "app";
  users = {
    a.uid = 1000;
    b.uid = 1000;
  };
}
