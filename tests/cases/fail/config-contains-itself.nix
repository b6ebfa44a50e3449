# error: more than 64 values inside each other
# at: 7:18
builtins.ociImage {
  name = "app";
  config =
    let
      config = { Labels = config; };
    in
    config;
}
