# error: builtins.ociImage: name: found an integer (3), accepted: a repository such as "app", "team/app" or "registry.example:5000/team/app"
# at: 4:3
builtins.ociImage {
  name = 3;
}
