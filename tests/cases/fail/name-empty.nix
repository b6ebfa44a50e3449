# error: builtins.ociImage: name: found "", accepted: a repository such as "app", "team/app" or "registry.example:5000/team/app"
# at: 4:3
builtins.ociImage {
  name = "";
}
