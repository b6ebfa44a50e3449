# error: bytes of JSON, accepted: 4194304 bytes at most, because no client reads a larger configuration
# at: 5:3
builtins.ociImage {
  name = "app";
  config.Env =
    let
      megabyte = builtins.foldl' (text: _: text + text) "xxxxxxxxxxxxxxxx" (builtins.genList (x: x) 16);
    in
    builtins.genList (i: "V${toString i}=${megabyte}") 5;
}
