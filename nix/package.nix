# The package: bin/gantry, the plugin for one version of Nix, and the loader that users name in `plugin-files`.
#
# A plugin loads into the very build of Nix whose headers it was made with, so `nix` must be the Nix that is
# going to load it: `gantry.override { nix = config.nix.package; }`. What is linked is none of Nix: its symbols
# come from the program that loads the plugin.
{ lib
, stdenv
, rustPlatform
, pkgsStatic
, pkg-config
, boost
, nlohmann_json
, nix
,
}:
let
  cargo = lib.importTOML ../Cargo.toml;
  # Components (2.26 and newer) have their headers in packages of their own.
  headers =
    if nix ? libs then
      [
        nix.libs.nix-expr
        nix.libs.nix-store
        nix.libs.nix-main
      ]
    else
      [ nix ];

  common = {
    inherit (cargo.package) version;
    src = lib.fileset.toSource {
      root = ../.;
      fileset = lib.fileset.unions [
        ../Cargo.toml
        ../Cargo.lock
        ../build.rs
        ../src
        ../cpp
        # Embedded into the plugin.
        ../nix/oci-image.nix
      ];
    };
    cargoLock.lockFile = ../Cargo.lock;
    # `make test` needs a Nix with a store of its own, and root.
    doCheck = false;
    meta = {
      inherit (cargo.package) description;
      license = [
        lib.licenses.mit
        lib.licenses.asl20
      ];
      platforms = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      mainProgram = "gantry";
    };
  };

  # Static: images are built with nothing else in the sandbox.
  builder = pkgsStatic.rustPlatform.buildRustPackage (
    common
    // {
      pname = "gantry-builder";
      buildNoDefaultFeatures = true;
      cargoBuildFlags = [
        "--bin"
        "gantry"
      ];
    }
  );
in
rustPlatform.buildRustPackage (
  common
    // {
    pname = "gantry";
    cargoBuildFlags = [ "--lib" ];
    nativeBuildInputs = [ pkg-config ];
    buildInputs = headers ++ [
      boost
      nlohmann_json
    ];

    postBuild = ''
      $CC -std=c99 -O2 -fPIC -shared -o loader.so cpp/loader.c -ldl
    '';

    # The plugin follows the link: what it puts into derivations is the builder, which is the same for every Nix.
    installPhase = ''
      runHook preInstall
      install -D target/${stdenv.hostPlatform.rust.cargoShortTarget}/release/libgantry.so $out/lib/gantry/${nix.version}/libgantry.so
      install -D loader.so $out/lib/nix/plugins/libgantry.so
      mkdir $out/bin
      ln -s ${builder}/bin/gantry $out/bin/gantry
      runHook postInstall
    '';

    passthru = { inherit builder nix; };
  }
)
