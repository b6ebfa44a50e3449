# error: builtins.ociImage: includeCopiedPaths: found "no", accepted: true or false
# at: 5:3
builtins.ociImage {
  name = "app";
  includeCopiedPaths = "no";
}
