# The functions of nixpkgs' lib that nix/*.nix and the templates call, with their meaning.
rec {
  inherit (builtins) attrValues concatMap mapAttrs;
  inherit (import ./modules.nix)
    evalModules
    literalExpression
    mkEnableOption
    mkIf
    mkOption
    types
    ;

  genAttrs =
    names: f:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = f name;
      }) names
    );
  nameValuePair = name: value: { inherit name value; };
  mapAttrs' = f: set: builtins.listToAttrs (map (name: f name set.${name}) (builtins.attrNames set));
  optional = condition: value: if condition then [ value ] else [ ];
  optionalAttrs = condition: set: if condition then set else { };
  optionalString = condition: text: if condition then text else "";
  findFirst =
    wanted: default: list:
    let
      found = builtins.filter wanted list;
    in
    if found == [ ] then default else builtins.head found;
  concatStringsSep = builtins.concatStringsSep;

  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  hasInfix = infix: text: builtins.length (builtins.split infix text) > 1;
  versionOlder = a: b: builtins.compareVersions a b < 0;
  versionAtLeast = a: b: !versionOlder a b;
  versions.majorMinor =
    version: builtins.concatStringsSep "." (builtins.match "([0-9]+)\\.([0-9]+).*" version);
  assertMsg = condition: message: condition || throw message;

  isDerivation = value: (value.type or null) == "derivation";
  getName = package: package.pname or (builtins.parseDrvName package.name).name;
  getVersion = package: package.version or (builtins.parseDrvName package.name).version;

  importTOML = path: builtins.fromTOML (builtins.readFile path);

  licenses = {
    mit.spdxId = "MIT";
    asl20.spdxId = "Apache-2.0";
  };

  # Sets of files are lists of paths here. As in nixpkgs, a path that does not exist is an error.
  fileset = {
    unions =
      paths:
      map (
        path: if builtins.pathExists path then path else throw "${toString path} does not exist"
      ) paths;
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

  # `override` takes a set or a function, as in nixpkgs.
  makeOverridable =
    f: arguments:
    let
      changed = new: arguments // (if builtins.isFunction new then new arguments else new);
    in
    f arguments // { override = new: makeOverridable f (changed new); };
}
