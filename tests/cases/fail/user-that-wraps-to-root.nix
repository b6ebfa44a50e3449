# error: builtins.ociImage: config.User: found "4294967296", accepted: "", a user, or user:group, each a name or a number from 0 to 2147483647
# at: 5:3
builtins.ociImage {
  name = "app";
  config.User = "4294967296";
}
