# error: builtins.ociImage: includeNixDB: found "yes", accepted: true or false
# at: 5:3
builtins.ociImage {
  name = "app";
  includeNixDB = "yes";
}
