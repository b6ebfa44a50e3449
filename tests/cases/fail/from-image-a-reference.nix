# error: builtins.ociImage: fromImage: found "debian:12"
# at: 5:3
builtins.ociImage {
  name = "app";
  fromImage = "debian:12";
}
