# dockerTools.override { … }, which callPackage gives nixpkgs' dockerTools: other packages for its functions. Those that
# these files use have an effect; the programs that nixpkgs builds images with have none.
{
  pkgs,
  lib,
  make,
}:
let
  used = [
    "bashInteractive"
    "cacert"
    "coreutils"
    "go"
    "lib"
    "runCommand"
    "runtimeShell"
    "shadow"
    "stdenv"
    "writeScript"
    "writeShellScriptBin"
    "writeText"
  ];

  because = {
    skopeo = "Gantry pulls images itself; credentials come from REGISTRY_AUTH_FILE, containers' auth.json, Docker's config.json and Nix's netrc (docs/pulling.md)";
    system = "images are for the platform of the package set, or that of the argument architecture";
  };
in
change:
let
  new = if builtins.isFunction change then change pkgs else change;
  unused = builtins.filter (name: !builtins.elem name used) (builtins.attrNames new);
  kept = removeAttrs new ([ "go" ] ++ unused);
  # nixpkgs asks the compiler for the architecture.
  stdenv = new.stdenv or pkgs.stdenv;
  architecture =
    if new ? go then
      {
        stdenv = stdenv // {
          hostPlatform = stdenv.hostPlatform // {
            inherit (new) go;
          };
        };
      }
    else
      { };
  warned = builtins.foldl' (
    value: name:
    lib.warn "dockerTools.override: ${name}: has no effect: ${because.${name} or "Gantry builds images without it"}" value
  );
in
warned (make (pkgs // kept // architecture)) unused
