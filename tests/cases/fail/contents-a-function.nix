# error: builtins.ociImage: contents[0]: found a function, accepted: a package
# at: 6:3
# A package function that was not called.
builtins.ociImage {
  name = "app";
  contents = [ (import ../package.nix) ];
}
