# What `nix flake check` builds and runs: every plugin, every case of tests/cases with the Nix of each plugin, an image,
# and a machine with Docker and podman.
{ pkgs }:
let
  inherit (pkgs) lib;
  gantry = (import ./packages.nix { inherit pkgs; }).default;
  inherit (import ./lib.nix { inherit pkgs; }) ociImage;
  inherit (import ./source.nix { inherit lib; }) cases;

  # `tests/cases/README.md` says what the files are.
  evaluation =
    nix:
    pkgs.runCommand "gantry-evaluation-nix-${nix.version}" { } ''
      export PATH=${nix}/bin:$PATH
      export HOME=$TMPDIR NIX_REMOTE=$TMPDIR/store NIX_CONF_DIR=$TMPDIR/none
      export NIX_CONFIG="substituters =
      plugin-files = ${gantry}/lib/nix/plugins/libgantry.so"
      cd ${cases}/tests/cases

      for case in ok/*.nix; do
        result=$(nix-instantiate --eval --strict "$case") || true
        [ "$result" = true ] || { echo "$case: expected true, found: $result" >&2; exit 1; }
      done
      for case in fail/*.nix; do
        wanted=$(sed -n '1s/^# error: //p' "$case")
        if nix-instantiate --eval --strict "$case" 2> "$TMPDIR/error"; then
          echo "$case: expected an error, and it evaluates" >&2; exit 1
        fi
        grep -qF -e "$wanted" "$TMPDIR/error" || {
          echo "$case: expected the error: $wanted; found:" >&2
          cat "$TMPDIR/error" >&2
          exit 1
        }
      done
      touch $out
    '';

  image = ociImage {
    name = "gantry";
    tag = "check";
    contents = [ gantry.builder ];
    config.Entrypoint = [ "/bin/gantry" ];
  };
in
{
  package = gantry;

  # The image, read by the command that it holds.
  image = pkgs.runCommand "gantry-image" { } ''
    ${gantry.builder}/bin/gantry inspect ${image} > $out
  '';
}
// lib.mapAttrs' (version: plugin: lib.nameValuePair "plugin-${version}" plugin) gantry.plugins
// lib.mapAttrs' (
  version: nix: lib.nameValuePair "evaluation-${version}" (evaluation nix)
) gantry.nixes
// lib.optionalAttrs (pkgs ? testers.runNixOSTest) {
  machine = pkgs.testers.runNixOSTest ./machine-test.nix;
}
