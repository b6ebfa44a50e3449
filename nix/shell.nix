# A shell with what building the plugin for nixpkgs' Nix and `make lint` need. `make test` besides needs Debian, by
# tests/setup.
{ pkgs }:
let
  supported = import ./supported.nix { inherit (pkgs) lib; };
in
pkgs.mkShell {
  packages = [
    pkgs.cargo
    pkgs.rustc
    pkgs.clippy
    pkgs.rustfmt
    pkgs.clang-tools
    pkgs.nixfmt
    pkgs.pkg-config
    pkgs.boost
    pkgs.nlohmann_json
    pkgs.skopeo
    pkgs.umoci
    pkgs.jq
  ]
  ++ supported.headers pkgs.nix
  ++ pkgs.lib.optional (pkgs.stdenv.cc.libc ? static) pkgs.stdenv.cc.libc.static;
}
