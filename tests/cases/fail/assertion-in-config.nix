# error: assertion 'false' failed
# at: none
builtins.ociImage {
  name = "app";
  config =
    assert false;
    { };
}
