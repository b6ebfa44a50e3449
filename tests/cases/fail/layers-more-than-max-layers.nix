# error: builtins.ociImage: layers: found 2 layers, accepted: at most 1, because maxLayers = 2 counts the root layer, too
# at: 5:3
builtins.ociImage {
  name = "app";
  layers = map (import ../package.nix) [ "a" "b" ];
  maxLayers = 2;
}
