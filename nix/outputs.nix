# The outputs of the flake; ../default.nix has the same without flakes.
{ self, nixpkgs }:
let
  inherit (nixpkgs) lib;
  systems = [
    "x86_64-linux"
    "aarch64-linux"
  ];
  forAllSystems = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
  template = name: description: {
    path = ./templates + "/${name}";
    inherit description;
    welcomeText = "`nix build` makes the image; write into flake.nix where gantry comes from.";
  };
in
{
  packages = forAllSystems (pkgs: import ./packages.nix { inherit pkgs; });

  overlays = import ./overlays.nix;

  # As sets, so that the module system knows the files: errors name them, and importing one twice is no conflict.
  nixosModules.default.imports = [ ./modules/nixos.nix ];
  homeModules.default.imports = [ ./modules/home-manager.nix ];

  # lib.x86_64-linux.ociImage { ... }: for a Nix that loads no plugins.
  lib = forAllSystems (pkgs: import ./lib.nix { inherit pkgs; });

  templates = {
    default = self.templates.image;
    image = template "image" "An image of one package";
    service = template "service" "An image of a service, with a user, a port and a health check";
    dockerTools = template "docker-tools" "An image that a flake makes with dockerTools, moved to Gantry";
  };

  devShells = forAllSystems (pkgs: {
    default = import ./shell.nix { inherit pkgs; };
  });

  formatter = forAllSystems (pkgs: import ./formatter.nix { inherit pkgs; });

  checks = forAllSystems (pkgs: import ./checks.nix { inherit pkgs; });
}
