{
  description = "Images that a flake made with nixpkgs' dockerTools, made with Gantry: the calls stay as they are";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
  # Where `nix flake init` took this file from.
  inputs.gantry.url = "https://example.org/gantry.tar.gz";
  inputs.gantry.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    {
      self,
      nixpkgs,
      gantry,
    }:
    let
      # Or "aarch64-linux".
      system = "x86_64-linux";
      pkgs = nixpkgs.legacyPackages.${system};
      # This line is the whole change: before, it was `inherit (pkgs) dockerTools;`. With the overlay
      # `gantry.overlays.dockerTools`, not even this line changes.
      inherit (gantry.lib.${system}) dockerTools;
    in
    {
      packages.${system} = {
        default = self.packages.${system}.layered;

        layered = dockerTools.buildLayeredImage {
          name = "hello";
          tag = "1.0";
          contents = [
            pkgs.bashInteractive
            pkgs.coreutils
            pkgs.hello
          ];
          fakeRootCommands = ''
            mkdir -p ./srv/app
            chown 1000:1000 ./srv/app
          '';
          config = {
            Cmd = [ "hello" ];
            WorkingDir = "/srv/app";
          };
        };

        # Nothing but a script goes into the store: `nix run .#stream | docker load`.
        stream = dockerTools.streamLayeredImage {
          name = "hello";
          tag = "1.0-stream";
          contents = [ pkgs.hello ];
          config.Cmd = [ "hello" ];
        };
      };
    };
}
