# error: assertion
# at: none
builtins.ociImage {
  name = "app";
  config =
    assert 1 == 2;
    { };
}
