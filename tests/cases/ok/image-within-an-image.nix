# An image is a package, too.
let
  inner = builtins.ociImage { name = "inner"; format = "layout"; };
  outer = builtins.ociImage {
    name = "outer";
    contents = [ inner ];
    config.Cmd = [ "${inner.archive}" ];
  };
in
builtins.isString outer.drvPath
