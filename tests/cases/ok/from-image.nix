# A base is a package, a path or a string with context; another base is another image.
let
  package = import ../package.nix;
  image =
    fromImage:
    builtins.ociImage {
      name = "app";
      inherit fromImage;
    };
  base = builtins.ociImage { name = "base"; };
  tags = map (fromImage: (image fromImage).imageTag) [
    null
    base
    base.layout
    (package "base.tar")
    ../latin1.txt
  ];
  distinct = builtins.length (builtins.attrNames (builtins.listToAttrs (map (name: { inherit name; value = null; }) tags)));
in
assert distinct == 5;
assert (image base).drvPath == (image "${base}").drvPath;
assert (image null).drvPath == (builtins.ociImage { name = "app"; }).drvPath;
# The root layer depends on which directories of it are links, and so on it.
assert (image base).root.drvPath != (image null).root.drvPath;
assert (image base).root.drvPath == (image "${base}").root.drvPath;
assert
  (builtins.ociImage {
    name = "app";
    fromImage = base;
    inheritConfig = "all";
  }).imageTag != (image base).imageTag;
true
