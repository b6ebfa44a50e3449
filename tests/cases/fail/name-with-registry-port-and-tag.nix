# error: builtins.ociImage: name: found "registry.example:5000/app:1.2", a tag does not belong in the name
# at: 4:3
builtins.ociImage {
  name = "registry.example:5000/app:1.2";
}
