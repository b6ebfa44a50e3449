# error: builtins.ociImage: uid: found an integer (4294967295), accepted: an integer from 0 to 4294967294
# at: 5:3
builtins.ociImage {
  name = "app";
  uid = 4294967295;
}
