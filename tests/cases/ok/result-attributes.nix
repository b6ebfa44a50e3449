# What an image is, besides a derivation.
let
  package = import ../package.nix "hello";
  arguments = {
    name = "registry.example:5000/Team/App";
    tag = "1.2";
    contents = [ package ];
    passthru.tests.smoke = "a test";
    meta.description = "An image";
  };
  image = builtins.ociImage arguments;
  storePath = suffix: path: builtins.match "/nix/store/[0-9a-z]{32}-${suffix}" path != null;
in
assert image.type == "derivation";
assert image.name == "app.tar";
assert storePath "app[.]tar[.]drv" image.drvPath;
assert storePath "app[.]tar" image.outPath;
assert image.out.outPath == image.outPath;
assert image.outputName == "out";
assert image.imageName == "registry.example:5000/team/app";
assert image.imageTag == "1.2";
assert image.imageRef == "registry.example:5000/team/app:1.2";
assert image.root.type == "derivation";
assert storePath "app-root[.]drv" image.root.drvPath;
assert image.args == arguments;
assert image.meta == { description = "An image"; };
assert
  image.passthru == {
    tests.smoke = "a test";
    inherit (image) imageName imageTag;
  };
assert image.tests.smoke == "a test";
true
