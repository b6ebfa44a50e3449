# error: builtins.ociImage: copyToRoot[0]: found "/etc", a string without context, which Nix would neither build nor keep: use the package or path itself
# at: 5:3
builtins.ociImage {
  name = "app";
  copyToRoot = [ "/etc" ];
}
