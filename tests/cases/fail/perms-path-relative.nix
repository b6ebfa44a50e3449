# error: builtins.ociImage: perms[0].path: found "var/**", accepted: an absolute path without ".", ".." and needless slashes
# at: 6:7
builtins.ociImage {
  name = "app";
  perms = [
    { path = "var/**"; uid = 1; }
  ];
}
