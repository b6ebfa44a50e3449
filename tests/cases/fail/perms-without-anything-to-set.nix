# error: builtins.ociImage: perms[1]: found a path alone, accepted: with it, one of mode, uid, gid, uname, gname
# at: 5:3
builtins.ociImage {
  name = "app";
  perms = [
    { path = "/a"; uid = 1; }
    { path = "/b"; }
  ];
}
