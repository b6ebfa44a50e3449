# As much of nixpkgs as the flakes of this project need to be evaluated. Its stdenv is the machine's compilers, so
# that for the machine's own system they can be built, in Nix's sandbox, as tests/package.rs does.
{
  outputs = _: {
    lib = import ./lib.nix;
    legacyPackages = (import ./lib.nix).genAttrs [ "x86_64-linux" "aarch64-linux" ] (import ./pkgs.nix);
  };
}
