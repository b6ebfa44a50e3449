# error: builtins.ociImage: maxLayers: found an integer (0), 
# at: 4:5
(builtins.ociImage { name = "app"; }).override {
    maxLayers = 0;
}
