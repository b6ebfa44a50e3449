{
  description = "OCI images from Nix: builtins.ociImage, an evaluator plugin with a Rust core";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forAllSystems = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
    in
    {
      packages = forAllSystems (pkgs: rec {
        gantry = pkgs.callPackage ./nix/package.nix { };
        default = gantry;
      });

      # The functions of the plugin for Nix builds that load none, by system: lib.x86_64-linux.ociImage { ... }
      lib = forAllSystems (
        pkgs: import ./nix { gantry = self.packages.${pkgs.stdenv.hostPlatform.system}.gantry.builder; }
      );

      nixosModules.default = import ./nix/module.nix self;

      checks = forAllSystems (
        pkgs:
        let
          inherit (pkgs.stdenv.hostPlatform) system;
          inherit (self.packages.${system}) gantry;
        in
        {
          inherit gantry;
          image = self.lib.${system}.ociImage {
            name = "gantry";
            contents = [ gantry.builder ];
            config.Entrypoint = [ "${gantry.builder}/bin/gantry" ];
          };
        }
      );

      formatter = forAllSystems (pkgs: pkgs.nixpkgs-fmt);
    };
}
