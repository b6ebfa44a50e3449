# error: builtins.ociImage: name: found "app:1.2", a tag does not belong in the name, use the argument `tag`
# at: 4:3
builtins.ociImage {
  name = "app:1.2";
}
