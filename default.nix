# What the flake has, without flakes:
#
#   gantry = import (fetchTarball "https://.../gantry.tar.gz") { inherit pkgs; };
#
# then gantry.packages.default, gantry.lib.ociImage { ... }, gantry.nixosModules.default.
{
  system ? builtins.currentSystem,
  pkgs ? import <nixpkgs> { inherit system; },
}:
{
  packages = import ./nix/packages.nix { inherit pkgs; };
  lib = import ./nix/lib.nix { inherit pkgs; };
  overlays = import ./nix/overlays.nix;
  nixosModules.default = ./nix/modules/nixos.nix;
  homeModules.default = ./nix/modules/home-manager.nix;
}
