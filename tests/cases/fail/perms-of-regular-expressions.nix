# error: builtins.ociImage: perms[0].regex: unknown attribute, accepted: path, mode, uid, gid, uname, gname
# at: 7:7
# As nix2container has them.
builtins.ociImage {
  name = "app";
  perms = [
    { regex = ".*"; mode = "0644"; }
  ];
}
