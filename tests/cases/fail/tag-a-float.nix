# error: builtins.ociImage: tag: found a float (1.2), accepted: a tag of 1 to 128 characters of A-Z, a-z, 0-9, "_", "." and "-", the first not "." or "-"
# at: 5:3
builtins.ociImage {
  name = "app";
  tag = 1.2;
}
