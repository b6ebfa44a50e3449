# error: the arguments are larger than 16 MiB
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Env =
    let
      megabyte = builtins.foldl' (text: _: text + text) "xxxxxxxxxxxxxxxx" (builtins.genList (x: x) 16);
    in
    builtins.genList (i: "V${toString i}=${megabyte}") 50;
}
