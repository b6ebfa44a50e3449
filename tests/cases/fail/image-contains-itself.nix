# error: infinite recursion encountered
# at: none
let
  image = builtins.ociImage {
    name = "app";
    contents = [ image ];
  };
in
image
