let
  image = builtins.ociImage { name = "app"; };
in
assert image.imageName == "app";
assert image.meta == { } && image.passthru == { };
assert image.args == { name = "app"; };
assert builtins.isString image.drvPath;
true
