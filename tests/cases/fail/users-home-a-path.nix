# error: builtins.ociImage: users.app.home: found a path (/home/app), accepted: an absolute path
# at: 8:5
# Nix would put this machine's directory into the store.
builtins.ociImage {
  name = "app";
  users.app = {
    uid = 1000;
    home = /home/app;
  };
}
