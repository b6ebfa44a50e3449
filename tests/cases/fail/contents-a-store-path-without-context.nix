# error: builtins.ociImage: contents: found "/nix/store/0c5b7yxgk2znr9lxfk4x1lqg8mvmjzdc-hello", a string without context, which Nix would neither build nor keep: use the package or path itself
# at: 5:3
builtins.ociImage {
  name = "app";
  contents = "/nix/store/0c5b7yxgk2znr9lxfk4x1lqg8mvmjzdc-hello";
}
