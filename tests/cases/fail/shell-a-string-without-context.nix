# error: builtins.ociImage: shell: found "/bin/sh", a string without context, which Nix would neither build nor keep
# at: 6:3
builtins.ociImage {
  name = "app";
  extraCommands = "mkdir data";
  shell = "/bin/sh";
}
