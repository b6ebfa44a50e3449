# error: builtins.ociImage: tag: found "-a", accepted: a tag of 1 to 128 characters of A-Z, a-z, 0-9, "_", "." and "-", the first not "." or "-"
# at: 5:3
builtins.ociImage {
  name = "app";
  tag = "-a";
}
