# error: builtins.pullImage: imageDigest: required, but missing
# at: 5:36
builtins.ociImage {
  name = "app";
  fromImage = builtins.pullImage { imageName = "debian"; };
}
