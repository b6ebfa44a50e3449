# Nobody looks into them before the user does.
let
  image = builtins.ociImage {
    name = "app";
    passthru = {
      broken = throw "passthru was forced";
      here = 1;
    };
    meta = {
      broken = throw "meta was forced";
      description = "here";
      function = x: x;
    };
  };
  forced = builtins.tryEval image.broken;
in
assert builtins.isString image.drvPath;
assert builtins.isString image.layout.drvPath;
assert image.here == 1;
assert image.meta.description == "here";
assert !forced.success;
assert !(builtins.tryEval image.meta.broken).success;
true
