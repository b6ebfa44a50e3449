# error: builtins.pullImage: imageDigest: cannot be given beside manifest, which says what is pulled, digest for digest
# at: 6:3
builtins.pullImage {
  imageName = "debian";
  manifest = ../package.nix;
  imageDigest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
}
