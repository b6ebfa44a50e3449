# error: builtins.ociImage: uid: found an integer (4294967296), accepted: an integer from 0 to 4294967294
# at: 5:3
builtins.ociImage {
  name = "app";
  uid = 4294967296;
}
