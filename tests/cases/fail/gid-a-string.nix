# error: builtins.ociImage: gid: found "0", accepted: an integer from 0 to 4294967294
# at: 5:3
builtins.ociImage {
  name = "app";
  gid = "0";
}
