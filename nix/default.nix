# The functions of the plugin as plain Nix, for Nix builds that load no plugins (static ones, Lix).
#
#   (import gantry/nix { gantry = packages.x86_64-linux.gantry; }).ociImage { name = "app"; ... }
#
# `gantry` is the package, with bin/gantry in it. Wrong arguments are found by the builder instead of the
# evaluator: in the same words, without the position in your file. Unknown ones never get there, so they
# are found here.
{ gantry }:
let
  accepted = import ./arguments.nix;
  validate =
    _: arguments:
    let
      unknown = builtins.filter (name: !builtins.elem name accepted) (builtins.attrNames arguments);
    in
    if unknown == [ ] then
      arguments
    else
      throw "builtins.ociImage: ${builtins.head unknown}: unknown argument, accepted: ${builtins.concatStringsSep ", " accepted}";
in
{
  ociImage = import ./oci-image.nix {
    inherit validate;
    builder = "${gantry}/bin/gantry";
    inherit (gantry) system version;
  };
}
