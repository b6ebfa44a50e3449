# error: -hello", which is not an absolute path, accepted: a package
# at: 5:3
builtins.ociImage {
  name = "app";
  contents = [ "see ${import ../package.nix "hello"}" ];
}
