# error: builtins.ociImage: shell: required with extraCommands, for example shell = "${pkgs.bash}/bin/bash"
# at: 5:3
# The place is that of the first argument: the missing one has none.
builtins.ociImage {
  name = "app";
  extraCommands = "mkdir data";
}
