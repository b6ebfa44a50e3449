# What goes in place of nix2container's functions: the same names and arguments, made with Gantry.
#
#   nix2container = import gantry/nix/nix2container.nix { inherit pkgs; gantry = packages.x86_64-linux.gantry.builder; };
#
# `gantry` is the package with bin/gantry in it, or its path. With the plugin its builtins are used, else ./default.nix.
# docs/migrating.md says what differs.
{ pkgs, gantry }:
let
  inherit (pkgs) lib;
  inherit (pkgs.stdenv) hostPlatform;

  functions =
    if builtins ? ociImage then
      builtins
    else
      import ./default.nix {
        inherit gantry;
        inherit
          (import ./gantry.nix {
            inherit gantry;
            system = pkgs.stdenv.buildPlatform.system or hostPlatform.system;
          })
          system
          ;
      };

  arguments = import ./docker-tools/arguments.nix {
    inherit lib;
    inherit (functions) ociImage;
  };
  common = {
    inherit pkgs lib arguments;
    result = import ./docker-tools/result.nix { inherit arguments; };
    defaultArchitecture =
      hostPlatform.go.GOARCH or (import ./platforms.nix hostPlatform.system).architecture;
  };

  images = import ./nix2container/images.nix (
    common
    // {
      inherit (functions) ociImage;
      config = import ./docker-tools/config.nix { inherit lib arguments; };
    }
  );
  pulls = import ./nix2container/pulls.nix (
    common
    // {
      builtinPullImage = functions.pullImage;
    }
  );
in
{
  inherit (images) buildImage buildLayer;
  inherit (pulls) pullImage pullImageFromManifest;
}
