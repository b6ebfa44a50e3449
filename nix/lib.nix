# The functions without the plugin: those of ./default.nix, `dockerTools` and `nix2container`, for one set of packages.
# Images are built on the machine that builds, for whatever machine the packages are.
{
  pkgs,
  gantry ? pkgs.buildPackages.callPackage ./core.nix { },
}:
import ./. { inherit gantry; }
// {
  dockerTools = import ./docker-tools.nix { inherit pkgs gantry; };
  nix2container = import ./nix2container.nix { inherit pkgs gantry; };
}
