# error: builtins.ociImage: includeStorePaths: found an integer (1), accepted: true or false
# at: 5:3
builtins.ociImage {
  name = "app";
  includeStorePaths = 1;
}
