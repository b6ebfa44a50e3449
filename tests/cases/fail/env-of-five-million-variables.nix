# error: the arguments are larger than 16 MiB
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Env = builtins.genList (i: "V${toString i}=") 5000000;
}
