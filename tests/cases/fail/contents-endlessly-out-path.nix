# error: more than 64 values inside each other
# at: 5:3
builtins.ociImage {
  name = "app";
  contents =
    let
      package.outPath = package;
    in
    package;
}
