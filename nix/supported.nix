# Which packages of Nix a plugin can be built for.
{ lib }:
let
  oldest = "2.8";
  # The newest release that the shim is known to compile with.
  newest = "2.35";

  series = nix: lib.versions.majorMinor nix.version;
in
rec {
  # The packages that have the headers of a Nix: its components since 2.26, or one package before.
  headers =
    nix:
    let
      components = map (name: nix.libs.${name} or null) [
        "nix-util"
        "nix-store"
        "nix-fetchers"
        "nix-expr"
        "nix-main"
      ];
    in
    if nix ? libs then
      builtins.filter (component: component != null) components
    else if nix ? dev then
      [ nix.dev ]
    else
      [ ];

  # Why a package of Nix can load no plugin of Gantry's; null if it can.
  reason =
    nix:
    let
      name = lib.getName nix;
      called = "${name} ${lib.getVersion nix}";
      instead = "; gantry.lib.<system> has the same functions for a Nix without plugins";
    in
    if name == "lix" then
      "${called} is Lix, whose plugins have another interface${instead}"
    else if lib.hasInfix "determinate" name then
      "${called} is Determinate Nix, whose plugins have another interface${instead}"
    else if lib.versionOlder (lib.getVersion nix) oldest then
      "${called} is too old: the plugin needs Nix ${oldest} or newer"
    else if nix.stdenv.hostPlatform.isStatic or false then
      "${called} is linked statically, so it cannot load plugins${instead}"
    else if headers nix == [ ] then
      "${called} has no headers (neither `libs` nor an output `dev`), so no plugin can be built for it${instead}"
    else
      null;

  # Of a set such as nixpkgs' `nixVersions`, each release once, by its version. The set also has functions, scopes
  # of components, aliases, names that only throw, packages that are insecure or broken, and snapshots: a package
  # is taken if it evaluates and nothing is known against it.
  releases =
    versions:
    let
      isRelease =
        nix:
        lib.isDerivation nix
        && builtins.match "[0-9]+\\.[0-9]+(\\.[0-9]+)?" (lib.getVersion nix) != null
        && reason nix == null
        && lib.versionAtLeast newest (series nix)
        && builtins.isString nix.drvPath;
      found = builtins.filter (
        name:
        let
          tried = builtins.tryEval (isRelease versions.${name});
        in
        tried.success && tried.value
      ) (builtins.attrNames versions);
    in
    builtins.listToAttrs (
      map (name: {
        name = versions.${name}.version;
        value = versions.${name};
      }) found
    );
}
