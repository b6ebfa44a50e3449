# error: builtins.ociImage: fromImage: found "/nix/store/0c5b7yxgk2znr9lxfk4x1lqg8mvmjzdc-base.tar", a string without context
# at: 5:3
builtins.ociImage {
  name = "app";
  fromImage = "/nix/store/0c5b7yxgk2znr9lxfk4x1lqg8mvmjzdc-base.tar";
}
