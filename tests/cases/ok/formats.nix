# The same image in every format: `archive` and `layout` lead from each to the other.
let
  image = builtins.ociImage {
    name = "team/app";
    format = "archive";
  };
  inherit (image) archive layout;
in
assert archive.drvPath == image.drvPath;
assert layout.name == "app";
assert layout.drvPath != image.drvPath;
assert layout.root.drvPath == image.root.drvPath;
assert layout.imageRef == image.imageRef;
assert layout.archive.drvPath == image.drvPath;
assert layout.layout.drvPath == layout.drvPath;
assert
  layout.drvPath
  == (builtins.ociImage {
    name = "team/app";
    format = "layout";
  }).drvPath;
true
