# error: tests/cases/fail/missing.tar
# at: none
builtins.ociImage {
  name = "app";
  fromImage = ./missing.tar;
}
