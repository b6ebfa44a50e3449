# error: builtins.ociImage: path[0]: found "/usr/bin", a string without context, which Nix would neither build nor keep
# at: 5:3
builtins.ociImage {
  name = "app";
  path = [ "/usr/bin" ];
}
