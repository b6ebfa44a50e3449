# error: builtins.ociImage: contents[1]: found "bash", a string without context, which Nix would neither build nor keep: use the package or path itself
# at: 5:3
builtins.ociImage {
  name = "app";
  contents = [
    (import ../package.nix "hello")
    "bash"
  ];
}
