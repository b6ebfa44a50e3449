# The functions of the plugin as plain Nix, for Nix builds that load no plugins (static ones, Lix).
#
#   (import gantry/nix { gantry = packages.x86_64-linux.gantry; }).ociImage { name = "app"; ... }
#
# `gantry` is the package, with bin/gantry in it. Wrong arguments are found by the builder instead of the
# evaluator: in the same words, without the position in your file.
{ gantry }:
{
  ociImage = import ./oci-image.nix {
    validate = _: arguments: arguments;
    builder = "${gantry}/bin/gantry";
    platformOf = import ./platforms.nix;
    inherit (gantry) system version;
  };
}
