# error: builtins.ociImage: users.b.gid: found 2 for the group "staff", which has 1 as the group of "a"
# at: 7:5
builtins.ociImage {
  name = "app";
  users = {
    a = { uid = 1; group = "staff"; };
    b = { uid = 2; group = "staff"; };
  };
}
