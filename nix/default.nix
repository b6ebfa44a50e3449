# The functions of the plugin as plain Nix, for Nix builds that load no plugins (static ones, Lix).
#
#   (import gantry/nix { gantry = packages.x86_64-linux.gantry; }).ociImage { name = "app"; ... }
#
# `gantry` is the package, with bin/gantry in it, or its path (which says nothing of the system that it is for: that is
# the evaluator's own unless `system` is given). Wrong arguments are found by the builder instead of the
# evaluator: in the same words, without the position in your file. Unknown ones never get there, so they
# are found here. Nothing here can ask a registry, so pullImage needs a hash.
{
  gantry,
  system ? null,
}@given:
let
  package = import ./gantry.nix given;

  # Knows names, not values.
  check =
    function: accepted: arguments:
    let
      unknown = builtins.filter (name: !builtins.elem name accepted) (builtins.attrNames arguments);
    in
    if unknown == [ ] then
      arguments
    else
      throw "builtins.${function}: ${builtins.head unknown}: unknown argument, accepted: ${builtins.concatStringsSep ", " accepted}";

  prim = {
    platformOf = import ./platforms.nix;
    inherit (package) builder system version;
    # Only the plugin has a say in what errors show.
    withoutPositions = set: set;
    guard = set: set;
    userCode = value: value;
  };

  # The function `prim: arguments: ...` in `file`, for checked arguments.
  function =
    file: check: more:
    let
      apply =
        arguments:
        import file (prim // more // { inherit again; }) (
          # A function that calls this one in its own name (docker-tools.nix) says so to the plugin, for errors.
          check (builtins.removeAttrs arguments [ "__caller" ])
        );
      again = old: new: apply (old // (if builtins.isFunction new then new old else new));
    in
    apply;

  # What is asked of a registry while evaluating.
  needsPlugin =
    _:
    throw ''
      builtins.pullImage: without the plugin nothing can ask a registry while evaluating, so imageDigest and hash are both required; `gantry prefetch --hash REFERENCE` prints them:
        imageDigest = "sha256:..."; hash = "sha256-...";'';
in
{
  ociImage = function ./oci-image.nix (check "ociImage" (import ./arguments.nix)) { };

  pullImage =
    function ./pull-image.nix
      (check "pullImage" [
        "imageName"
        "imageDigest"
        "tag"
        "manifest"
        "os"
        "arch"
        "variant"
        "preferGzip"
        "finalImageName"
        "finalImageTag"
        "tlsVerify"
        "name"
        "hash"
        "sha256"
        "outputHash"
        "outputHashAlgo"
        "system"
        "meta"
        "passthru"
      ])
      {
        pure = false;
        fetch = needsPlugin;
        # Credentials are read by the plugin alone.
        request = asked: if asked.request == "credentials" then { found = false; } else needsPlugin asked;
        fail = message: throw message;
      };
}
