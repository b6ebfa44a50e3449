# A NixOS module: builtins.ociImage in the system's Nix.
gantry:
{ config, pkgs, ... }:
let
  inherit (pkgs.stdenv.hostPlatform) system;
  package = gantry.packages.${system}.default.override { nix = config.nix.package; };
in
{
  nix.settings.plugin-files = [ "${package}/lib/nix/plugins/libgantry.so" ];
}
