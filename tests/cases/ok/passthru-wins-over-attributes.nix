# As in nixpkgs: passthru is merged last.
let
  image = builtins.ociImage {
    name = "app";
    passthru.layout = "mine";
  };
in
image.layout == "mine" && image.passthru.layout == "mine"
