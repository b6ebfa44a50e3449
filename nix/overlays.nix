# Overlays for nixpkgs.
{
  # Adds `gantry`, for the set's own Nix; nothing else changes.
  default = final: prev: {
    gantry = final.callPackage ./package.nix { };
  };

  # Replaces `dockerTools`, for the whole set: opt-in. Needs no other overlay.
  dockerTools = final: prev: {
    inherit (import ./lib.nix { pkgs = final; }) dockerTools;
  };
}
