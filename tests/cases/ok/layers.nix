# Each explicit layer is a derivation of its own, on top of those below it.
let
  package = import ../package.nix;
  a = package "a";
  b = package "b";
  image =
    arguments:
    builtins.ociImage (
      {
        name = "team/app";
        layers = [
          a
          [
            b
            "${a}/bin"
            ../files/etc
          ]
        ];
      }
      // arguments
    );
  layersOf = image: image.gantry.arguments.layers;
  tag = arguments: (image arguments).imageTag;
  layers = layersOf (image { });
  isLayer = i: path: builtins.match "/nix/store/[0-9a-z]{32}-app-layer-${toString i}" path != null;
in
assert builtins.length layers == 2;
assert isLayer 0 (builtins.elemAt layers 0);
assert isLayer 1 (builtins.elemAt layers 1);
assert builtins.all builtins.hasContext layers;
assert builtins.isString (image { }).drvPath;
# A layer depends on those below it, and on nothing above or beside it.
assert layersOf (image { contents = [ b ]; maxLayers = 10; tag = "1"; format = "layout"; }) == layers;
assert builtins.head (layersOf (image { layers = [ a ]; })) == builtins.head layers;
assert builtins.elemAt (layersOf (image { layers = [ b b ]; })) 1 != builtins.elemAt (layersOf (image { layers = [ a b ]; })) 1;
assert builtins.all (arguments: layersOf (image arguments) != layers) [
  { mtime = 0; }
  { uid = 1; }
  { compression = "gzip"; }
  { fromImage = package "base"; }
];
# The closure of a layer is that of the store paths in which its paths lie.
assert layersOf (image { layers = [ "${a}/bin" ]; }) == layersOf (image { layers = [ a ]; });
assert tag { layers = [ a ]; } != tag { layers = [ b ]; };
assert tag { layers = [ a b ]; } != tag { layers = [ b a ]; };
assert tag { layers = [ ]; } == (builtins.ociImage { name = "team/app"; }).imageTag;
# The database describes their paths, too.
assert (image { }).exportReferencesGraph.closure == [ "${(image { }).root}" ];
assert
  (image { includeNixDB = true; }).database.exportReferencesGraph.closure
  == [ "${(image { includeNixDB = true; }).root}" "${a}" "${b}" "${a}" "${../files/etc}" ];
true
