# error: builtins.ociImage: shell: required with runAsRoot, for example shell = "${pkgs.bash}/bin/bash"
# at: 5:3
# The place is that of the first argument: the missing one has none.
builtins.ociImage {
  name = "app";
  runAsRoot = "mkdir data";
}
