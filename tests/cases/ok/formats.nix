# The same image in every format: `archive`, `layout` and `stream` lead from each to the others.
let
  image = builtins.ociImage {
    name = "team/app";
    format = "archive";
  };
  inherit (image) archive layout stream;
in
assert archive.drvPath == image.drvPath;
assert layout.name == "app";
assert layout.drvPath != image.drvPath;
assert layout.root.drvPath == image.root.drvPath;
assert layout.imageRef == image.imageRef;
assert layout.archive.drvPath == image.drvPath;
assert layout.layout.drvPath == layout.drvPath;
assert stream.name == "stream-app";
assert stream.root.drvPath == image.root.drvPath;
assert stream.imageRef == image.imageRef;
assert stream.archive.drvPath == image.drvPath;
assert layout.stream.drvPath == stream.drvPath;
assert
  layout.drvPath
  == (builtins.ociImage {
    name = "team/app";
    format = "layout";
  }).drvPath;
true
