# error: builtins.ociImage: perms[0].path: found "/var/a**": "**" stands for whole components only
# at: 6:7
builtins.ociImage {
  name = "app";
  perms = [
    { path = "/var/a**"; uid = 1; }
  ];
}
