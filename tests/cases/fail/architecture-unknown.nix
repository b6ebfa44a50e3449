# error: builtins.ociImage: architecture: found "itanium", accepted: a GOARCH: 386, amd64, 
# at: 5:3
builtins.ociImage {
  name = "app";
  architecture = "itanium";
}
