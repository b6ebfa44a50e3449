# error: builtins.ociImage: variant: found an integer (7), accepted: null or a variant such as "v7"
# at: 5:3
builtins.ociImage {
  name = "app";
  variant = 7;
}
