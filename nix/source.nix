# The parts of this repository that builds depend on, as store paths: a change of a test or of a page compiles nothing.
{ lib }:
let
  only =
    paths:
    lib.fileset.toSource {
      root = ../.;
      fileset = lib.fileset.unions paths;
    };
in
{
  # What ./core.nix compiles.
  rust = only [
    ../Cargo.toml
    ../Cargo.lock
    ../build.rs
    ../cpp/loader.c
    ../src
    # Embedded into the plugin.
    ./oci-image.nix
    ./platforms.nix
    ./pull-image.nix
  ];

  # What ./plugin.nix compiles, for each Nix.
  shim = only [ ../cpp ];

  # What ./checks.nix evaluates.
  cases = only [ ../tests/cases ];
}
