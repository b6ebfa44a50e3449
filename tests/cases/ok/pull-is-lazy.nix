# without plugin: no, there is no pullImage yet
# Without a hash the manifest is read when the derivation is: names need no registry.
let
  digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
  # Nobody listens there.
  image = builtins.pullImage {
    imageName = "127.0.0.1:1/app";
    imageDigest = digest;
    passthru.mine = 1;
    meta.description = "d";
  };
in
assert image.imageName == "127.0.0.1:1/app";
assert image.imageDigest == digest;
assert image.imageRef == "127.0.0.1:1/app:latest";
assert image.mine == 1;
assert image.meta.description == "d";
assert image.args.imageDigest == digest;
true
