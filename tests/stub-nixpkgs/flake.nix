# As much of nixpkgs as the flakes of this project need to be evaluated: what builds would be, not builds.
{
  outputs = _: {
    lib = import ./lib.nix;
    legacyPackages = (import ./lib.nix).genAttrs [ "x86_64-linux" "aarch64-linux" ] (import ./pkgs.nix);
  };
}
