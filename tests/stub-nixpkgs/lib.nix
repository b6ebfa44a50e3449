# The functions of nixpkgs' lib that nix/package.nix and flake.nix call, with their meaning.
rec {
  genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);

  importTOML = path: builtins.fromTOML (builtins.readFile path);

  licenses = {
    mit.spdxId = "MIT";
    asl20.spdxId = "Apache-2.0";
  };

  # Sets of files are lists of paths here. As in nixpkgs, a path that does not exist is an error.
  fileset = {
    unions = paths: map (path: if builtins.pathExists path then path else throw "${toString path} does not exist") paths;
    toSource =
      { root, fileset }:
      let
        within = directory: path: path == directory || hasPrefix "${directory}/" path;
        wanted = map toString fileset;
      in
      builtins.path {
        name = "source";
        path = root;
        filter = path: _: builtins.any (want: within want path || within path want) wanted;
      };
  };

  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;

  makeOverridable =
    f: arguments: f arguments // { override = more: makeOverridable f (arguments // more); };
}
