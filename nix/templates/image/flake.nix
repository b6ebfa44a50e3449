{
  description = "An image of one package: nix build && docker load < result";

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
      # With the plugin, wrong arguments are found while evaluating, with their position in this file. Without
      # it, the same function in plain Nix makes the same image.
      ociImage = builtins.ociImage or gantry.lib.${system}.ociImage;
    in
    {
      packages.${system} = {
        default = ociImage {
          inherit system;
          name = "registry.example/hello";
          contents = [ pkgs.hello ];
          config = {
            Cmd = [ "/bin/hello" ];
            User = "65534:65534";
          };
        };
      };
    };
}
