# The package: bin/gantry, the loader that users name in `plugin-files`, and plugins.
#
#   gantry.override { nix = config.nix.package; }   for one Nix: the very build that is going to load the plugin
#   gantry.override { everyNix = true; }            besides, for each release in nixVersions
#
# The second one is for a `plugin-files` line that several programs with a Nix of their own read, and for the moments
# of an upgrade in which one Nix reads the other one's configuration. A Nix from another nixpkgs has another compiler
# and C library: call this file with that nixpkgs.
{
  lib,
  runCommand,
  callPackage,
  nix,
  nixVersions ? { },
  everyNix ? false,
  core ? callPackage ./core.nix { },
}:
let
  supported = import ./supported.nix { inherit lib; };
  reason = supported.reason nix;

  nixes = lib.optionalAttrs everyNix (supported.releases nixVersions) // {
    ${if reason == null then nix.version else throw "gantry: ${reason}"} = nix;
  };
  plugins = lib.mapAttrs (_: nix: callPackage ./plugin.nix { inherit core nix; }) nixes;
in
runCommand "gantry-${core.version}"
  {
    pname = "gantry";
    inherit (core) version meta;
    passthru = {
      inherit
        core
        nix
        nixes
        plugins
        ;
      # What images are built with, and nothing else.
      builder = core;
    };
  }
  # Plugins are copied, not linked to: a plugin finds bin/gantry from where its file really is.
  ''
    mkdir -p $out/bin $out/lib/nix/plugins $out/lib/gantry
    ln -s ${core}/bin/gantry $out/bin/gantry
    if [ -d ${core}/share ]; then ln -s ${core}/share $out/share; fi
    cp ${core.link}/lib/nix/plugins/libgantry.so $out/lib/nix/plugins/
    for plugin in ${toString (lib.attrValues plugins)}; do
      cp -r $plugin/lib/gantry/. $out/lib/gantry/
    done
  ''
