# error: builtins.ociImage: users.app.home: found "home/app", accepted: an absolute path without ".", ".." and needless slashes
# at: 7:5
builtins.ociImage {
  name = "app";
  users.app = {
    uid = 1000;
    home = "home/app";
  };
}
