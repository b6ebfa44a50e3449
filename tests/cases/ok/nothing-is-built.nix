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
  pipelines = [
    package
    "${package}/pipeline.json"
    ../files
  ];
  byFile = map (layering: image.override { inherit layering; }) pipelines;
  tags = map (image: image.imageTag) ([ image ] ++ byFile);
in
assert builtins.isString image.drvPath && builtins.isString image.outPath;
assert builtins.isString root.drvPath && builtins.isString root.outPath;
assert image.layout.imageRef == image.imageRef;
# A pipeline in a file is read by the build.
assert builtins.all (image: builtins.isString image.drvPath) byFile;
assert builtins.length (builtins.attrNames (builtins.groupBy (tag: tag) tags)) == 4;
true
