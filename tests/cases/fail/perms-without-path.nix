# error: builtins.ociImage: perms[0].path: required, but missing
# at: 5:3
builtins.ociImage {
  name = "app";
  perms = [
    { mode = "0750"; }
  ];
}
