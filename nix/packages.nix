# `gantry` has the plugin for one Nix, `default` for each release in nixpkgs.
{ pkgs }:
let
  gantry = pkgs.callPackage ./package.nix { };
in
{
  inherit gantry;
  default = gantry.override { everyNix = true; };
}
