# without plugin: no, tests/nix2container.rs has it
# Every blob of the manifest is a derivation of its own, and nothing is asked of the registry.
let
  digest = character: "sha256:${builtins.concatStringsSep "" (builtins.genList (_: character) 64)}";
  manifest = ../files/manifests/image.json;
  image = builtins.pullImage {
    imageName = "registry.invalid/app";
    inherit manifest;
    finalImageTag = "1";
  };
in
assert image.imageDigest == "sha256:${builtins.hashFile "sha256" manifest}";
assert image.imageRef == "registry.invalid/app:1";
assert image.gantry.manifest.size == builtins.stringLength (builtins.readFile manifest);
assert
  map (blob: blob.digest) image.gantry.blobs == [
    (digest "a")
    (digest "b")
  ];
assert builtins.all (blob: builtins.hasContext blob.path) image.gantry.blobs;
true
