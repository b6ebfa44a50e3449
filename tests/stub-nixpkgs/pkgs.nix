# Packages for one system. None can be built; a Rust package shows the arguments it was made with.
system:
let
  lib = import ./lib.nix;

  package =
    name: version: attributes:
    derivation {
      name = "${name}-${version}";
      inherit system;
      builder = "/does/not/exist";
    }
    // { inherit version; }
    // attributes;

  buildRustPackage =
    static: arguments:
    derivation (
      builtins.removeAttrs arguments [
        "cargoLock"
        "meta"
        "passthru"
      ]
      // {
        name = "${arguments.pname}-${arguments.version}";
        inherit system static;
        cargoLock = arguments.cargoLock.lockFile;
        builder = "/does/not/exist";
      }
    )
    // {
      inherit (arguments) meta;
    }
    // (arguments.passthru or { });

  platform = static: {
    hostPlatform = {
      inherit system;
      rust.cargoShortTarget =
        builtins.head (builtins.split "-" system) + (if static then "-unknown-linux-musl" else "-unknown-linux-gnu");
    };
  };

  scope = static: {
    stdenv = platform static;
    rustPlatform.buildRustPackage = buildRustPackage static;
  };
in
scope false
// rec {
  inherit lib;
  pkgsStatic = scope true;
  callPackage =
    path: arguments:
    let
      f = import path;
      named = builtins.intersectAttrs (builtins.functionArgs f) (import ./pkgs.nix system);
    in
    lib.makeOverridable f (named // arguments);

  # In parts, as since 2.26; and in one piece, as before.
  nix = package "nix" "2.31.2" {
    libs = lib.genAttrs [ "nix-expr" "nix-store" "nix-main" ] (name: package name "2.31.2" { });
  };
  nix_2_24 = package "nix" "2.24.15" { };
  boost = package "boost" "1.87.0" { };
  nlohmann_json = package "nlohmann_json" "3.12.0" { };
  pkg-config = package "pkg-config" "0.29.2" { };
  nixpkgs-fmt = package "nixpkgs-fmt" "1.0.0" { };
  hello = package "hello" "2.12.2" { };
}
