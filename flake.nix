{
  description = "OCI images from Nix: builtins.ociImage, an evaluator plugin with a Rust core";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }: import ./nix/outputs.nix { inherit self nixpkgs; };
}
