# without plugin: no, there is no pullImage yet
# With a hash nothing is asked of anybody: name and paths are dockerTools'.
let
  digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
  zeros = "0000000000000000000000000000000000000000000000000000000000000000";
  pull =
    more:
    builtins.pullImage (
      {
        imageName = "registry.example:5000/team/app";
        imageDigest = digest;
      }
      // more
    );
  image = pull { sha256 = zeros; };
  inherit (builtins) tryEval;
in
assert image.type == "derivation";
assert image.name == "docker-image-registry.example-5000-team-app-latest.tar";
assert image.imageName == "registry.example:5000/team/app";
assert image.imageDigest == digest;
assert image.imageTag == "latest";
assert image.imageRef == "registry.example:5000/team/app:latest";
assert image.passthru == { inherit (image) imageName imageTag; };
# Hashes in every form are one path.
assert image.outPath == (pull { hash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; }).outPath;
assert
  image.outPath
  == (pull {
    outputHash = zeros;
    outputHashAlgo = "sha256";
  }).outPath;
# An empty one is a hash that nothing has.
assert image.outPath == (pull { hash = ""; }).outPath;
assert image.outPath == (pull { sha256 = ""; }).outPath;
# What does not change the bytes' name does not change the path.
assert image.outPath == (pull { sha256 = zeros; arch = "arm64"; tlsVerify = false; }).outPath;
assert image.outPath != (pull { sha256 = zeros; finalImageTag = "1"; }).outPath;
assert (pull { sha256 = zeros; finalImageName = "app"; finalImageTag = "1"; }).name == "docker-image-app-1.tar";
assert (pull { sha256 = zeros; name = "mine"; }).name == "mine";
assert (image.override { finalImageTag = "2"; }).imageRef == "registry.example:5000/team/app:2";
assert (image.override (old: { finalImageTag = old.sha256; })).imageTag == zeros;
assert (pull { sha256 = zeros; passthru.x = 1; }).x == 1;
assert (pull { sha256 = zeros; meta.description = "d"; }).meta.description == "d";
assert !(tryEval (pull { sha256 = throw "user's"; }).outPath).success;
true
