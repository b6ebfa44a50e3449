# error: builtins.ociImage: directories: found a list, accepted: a set such as { "/tmp" = { mode = "1777"; }; }
# at: 5:3
builtins.ociImage {
  name = "app";
  directories = [ "/tmp" ];
}
