# As in nixpkgs: passthru is merged last, but for the image's own name and tag.
let
  image = builtins.ociImage {
    name = "app";
    tag = "1";
    passthru = {
      layout = "mine";
      imageName = "other";
      imageTag = "2";
      # One image's passthru may speak of the image itself.
      reference = "${image.imageName}:${image.passthru.imageTag}";
    };
  };
in
assert image.layout == "mine" && image.passthru.layout == "mine";
assert image.imageTag == "1" && image.passthru.imageTag == "1";
assert image.imageName == "app" && image.passthru.imageName == "app";
image.reference == "app:1"
