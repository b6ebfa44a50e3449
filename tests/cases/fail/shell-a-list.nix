# error: builtins.ociImage: shell: found a list, accepted: a package, a path, or a string with the context of one
# at: 5:3
builtins.ociImage {
  name = "app";
  shell = [ ];
}
