# error: builtins.ociImage: config.User: found "a:b:c", accepted: "", a user, or user:group, each a name or a number from 0 to 2147483647
# at: 5:3
builtins.ociImage {
  name = "app";
  config.User = "a:b:c";
}
