let
  image = builtins.ociImage { name = "app"; };
in
assert image.imageName == "app";
assert image.meta == { };
assert image.passthru == { inherit (image) imageName imageTag; };
assert image.args == { name = "app"; };
assert builtins.isString image.drvPath;
true
