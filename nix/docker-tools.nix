# What goes in place of pkgs.dockerTools: the same functions, arguments and attributes, made with Gantry.
#
#   dockerTools = import gantry/nix/docker-tools.nix { inherit pkgs; gantry = packages.x86_64-linux.gantry.builder; };
#
# `gantry` is the package with bin/gantry in it, or its path. With the plugin its builtins are used, else ./default.nix.
# docs/migrating.md says what differs. What cannot be kept is an error here that says what to write instead.
#
# These files know nixpkgs; what makes images does not. Nothing in them is run, but shells that users' scripts need.
{ pkgs, gantry }:
let
  inherit (pkgs) lib;
  inherit (pkgs.stdenv) hostPlatform;

  package = import ./gantry.nix {
    inherit gantry;
    system = pkgs.stdenv.buildPlatform.system or hostPlatform.system;
  };
  functions =
    if builtins ? ociImage then
      builtins
    else
      import ./default.nix {
        inherit gantry;
        inherit (package) system;
      };

  # The image's, in Go's words.
  defaultArchitecture =
    hostPlatform.go.GOARCH or (import ./platforms.nix hostPlatform.system).architecture;

  arguments = import ./docker-tools/arguments.nix {
    inherit lib;
    inherit (functions) ociImage;
  };
  result = import ./docker-tools/result.nix { inherit arguments; };
  config = import ./docker-tools/config.nix { inherit lib arguments; };
  packages = import ./docker-tools/packages.nix { inherit pkgs lib arguments; };

  severalImages = import ./docker-tools/several-images.nix {
    inherit
      lib
      package
      arguments
      result
      defaultArchitecture
      ;
    builtinPullImage = functions.pullImage;
  };
  images = import ./docker-tools/images.nix {
    inherit
      pkgs
      lib
      arguments
      config
      result
      defaultArchitecture
      ;
    inherit (functions) ociImage;
    inherit (severalImages) chosenImage;
  };
  shellImages = import ./docker-tools/shell-images.nix {
    inherit
      pkgs
      lib
      arguments
      images
      packages
      ;
  };

  internal =
    name: instead:
    throw "dockerTools.${name} is an internal of nixpkgs that has no counterpart in Gantry; ${instead}";

  dockerTools =
    packages
    // shellImages
    // {
      inherit (images)
        buildImage
        buildImageWithNixDb
        buildLayeredImage
        buildLayeredImageWithNixDb
        streamLayeredImage
        ;
      inherit (severalImages) exportImage mergeImages pullImage;

      override = import ./docker-tools/override.nix {
        inherit pkgs lib;
        make = pkgs: import ./docker-tools.nix { inherit pkgs gantry; };
      };

      examples = import ./docker-tools/examples.nix { inherit pkgs gantry dockerTools; };

      # NixOS tests in nixpkgs. Ours are not part of the set.
      tests = { };

      mkPureLayer = internal "mkPureLayer" "write buildImage, whose .layer is the root layer";
      mkRootLayer = internal "mkRootLayer" "write buildImage with runAsRoot";
      runWithOverlay = internal "runWithOverlay" "there is no virtual machine; write buildImage with runAsRoot";
      tarsum = internal "tarsum" "no image has needed it since Docker 1.10";
    };
in
dockerTools
