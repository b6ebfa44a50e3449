# error: builtins.ociImage: users.app.description: found "a\nroot::0:0", accepted: a string without ":" and line breaks
# at: 7:5
builtins.ociImage {
  name = "app";
  users.app = {
    uid = 1000;
    description = "a\nroot::0:0";
  };
}
