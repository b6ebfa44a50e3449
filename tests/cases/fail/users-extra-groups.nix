# error: builtins.ociImage: users.app.extraGroups: unknown attribute, accepted: uid, gid, group, home, shell, description
# at: 7:5
builtins.ociImage {
  name = "app";
  users.app = {
    uid = 1000;
    extraGroups = [ "wheel" ];
  };
}
