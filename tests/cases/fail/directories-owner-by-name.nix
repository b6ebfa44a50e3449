# error: builtins.ociImage: directories."/srv".uid: found "app", accepted: an integer from 0 to 4294967294
# at: 5:3
builtins.ociImage {
  name = "app";
  directories."/srv".uid = "app";
}
