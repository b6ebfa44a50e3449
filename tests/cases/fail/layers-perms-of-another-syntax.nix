# error: builtins.ociImage: layers[0].perms[0].regex: found "[a--z]": "--" is not what it is in RE2
# at: 8:7
builtins.ociImage {
  name = "app";
  layers = [ {
    copyToRoot = import ../package.nix "hello";
    perms = [ { source = import ../package.nix "hello";
      regex = "[a--z]"; uid = 1; } ];
  } ];
}
