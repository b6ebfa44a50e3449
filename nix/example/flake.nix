{
  description = "An image with builtins.ociImage: nix build .#image && docker load < result";

  # Put the plugin into your nix.conf first:
  #
  #   plugin-files = /path/to/gantry/lib/nix/plugins/libgantry.so
  #
  # Without it, the functions of the flake `gantry` do the same: gantry.lib.${system}.ociImage { ... }.

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      system = "x86_64-linux";
      pkgs = nixpkgs.legacyPackages.${system};
      ociImage =
        builtins.ociImage or (throw "this flake needs the Nix plugin gantry: see the top of flake.nix");
    in
    {
      packages.${system} = {
        default = self.packages.${system}.image;

        image = ociImage {
          name = "registry.example/hello";
          inherit system;
          contents = [ pkgs.hello ];
          config = {
            Cmd = [ "hello" ];
            User = "65534:65534";
          };
        };
      };
    };
}
