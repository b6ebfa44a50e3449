# An index is made of images, whose arguments are theirs.
let
  member = architecture: builtins.ociImage {
    name = "member";
    inherit architecture;
  };
  index =
    more:
    builtins.ociImage (
      {
        name = "Team/App";
        manifests = [
          (member "amd64")
          (member "arm64")
        ];
      }
      // more
    );
  image = index { };
in
assert image.type == "derivation";
assert image.name == "app.tar";
assert image.imageName == "team/app";
assert builtins.stringLength image.imageTag == 32;
assert !(image ? root);
assert image.layout.name == "app";
assert image.layout.imageTag == image.imageTag;
assert image.stream.name == "stream-app";
assert (index { tag = "1"; }).imageRef == "team/app:1";
assert (index { annotations.a = "b"; }).imageTag != image.imageTag;
assert (index { manifests = [ (member "amd64") ]; }).imageTag != image.imageTag;
assert (index { manifests = null; }) ? root;
true
