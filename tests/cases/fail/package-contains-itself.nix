# error: infinite recursion encountered
# at: none
let
  package = derivation {
    name = "ouroboros";
    system = "x86_64-linux";
    builder = "/bin/sh";
    args = [ package ];
  };
in
builtins.ociImage {
  name = "app";
  contents = [ package ];
}
