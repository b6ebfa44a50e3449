# The package's builder does not exist, and none of this needs it.
let
  package = import ../package.nix "cannot-be-built";
  image = builtins.ociImage {
    name = "app";
    contents = [ package ];
    copyToRoot = "${package}/share";
    config.Entrypoint = [ "${package}/bin/app" ];
    layering = [
      [
        "split_paths"
        [ package ]
      ]
    ];
  };
  inherit (image) root;
in
assert builtins.isString image.drvPath && builtins.isString image.outPath;
assert builtins.isString root.drvPath && builtins.isString root.outPath;
assert image.layout.imageRef == image.imageRef;
true
