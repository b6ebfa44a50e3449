# error: builtins.ociImage: layers[0]: found a layer of nothing, accepted: one path or more in paths or copyToRoot
# at: 5:3
builtins.ociImage {
  name = "app";
  layers = [ { paths = [ ]; } ];
}
