# What every function's result has besides what builtins.ociImage gives: `override`, and `overrideAttrs` as far as
# no stdenv is needed for it.
{ arguments }:
let
  # Attributes of nixpkgs' derivations that make the image, and what to write instead.
  instead = {
    imageName = "the argument name";
    imageTag = "the argument tag";
    fromImage = "the argument fromImage";
    config = "the argument config";
    contents = "the argument contents (buildImage: copyToRoot)";
    created = "the argument created";
    buildCommand = "the arguments extraCommands, fakeRootCommands and runAsRoot";
    conf = "the arguments of streamLayeredImage";
    streamScript = "the arguments of streamLayeredImage";
    baseJson = "the argument config";
    layerClosure = "the arguments copyToRoot and config";
  };
  # The rest of what an stdenv would read. Gantry's builder does not.
  ofStdenv =
    name:
    builtins.elem name [
      "args"
      "builder"
      "buildCommandPath"
      "gantry"
      "outputs"
      "phases"
      "src"
      "srcs"
      "stdenv"
      "system"
      "__structuredAttrs"
      "exportReferencesGraph"
      "outputHash"
      "outputHashAlgo"
      "outputHashMode"
      "unsafeDiscardReferences"
    ]
    ||
      builtins.match "(pre|post)?[a-zA-Z]*Phase|(pre|post)(Unpack|Patch|Configure|Build|Check|Install|Fixup|InstallCheck|Dist)" name
      != null;

  changed =
    old: change:
    let
      new = if builtins.isFunction change then change old else change;
    in
    if builtins.isAttrs old then old // new else new;

  # `overrideAttrs`' argument: a set, a function of the old attributes, or of the final and the old ones.
  newAttributes =
    old: change:
    let
      first = if builtins.isFunction change then change old else change;
      new = if builtins.isFunction first then change (old // new) old else first;
    in
    new;

  withAttributes =
    function: users: result: change:
    let
      old =
        removeAttrs (result.drvAttrs or { }) [
          "args"
          "builder"
          "gantry"
          "exportReferencesGraph"
          "unsafeDiscardReferences"
        ]
        // builtins.intersectAttrs {
          imageName = null;
          imageTag = null;
        } result
        // {
          passthru = result.passthru or { };
          meta = result.meta or { };
          buildCommand = "";
          nativeBuildInputs = [ ];
          buildInputs = [ ];
        };
      all = newAttributes old change;
      # Some write `old // { … }`.
      unchanged = builtins.filter (name: old ? ${name} && all.${name} == old.${name}) (
        builtins.attrNames all
      );
      new = removeAttrs all unchanged;
      wrong = builtins.filter (name: instead ? ${name} || ofStdenv name) (builtins.attrNames new);
      wrongName = builtins.head wrong;

      added =
        removeAttrs new [
          "meta"
          "name"
          "passthru"
        ]
        // (if new ? name then { name = arguments.derivationName new.name; } else { });
      built = if added == { } then { } else derivation (result.drvAttrs // added);
    in
    if wrong != [ ] then
      arguments.fail function users "overrideAttrs"
        "${wrongName}: no stdenv makes the image, so this attribute of its derivation would change nothing; write .override { … } with ${
          instead.${wrongName} or "an argument of ${function}"
        }"
    else
      result
      // built
      // (new.passthru or { })
      // builtins.intersectAttrs {
        meta = null;
        passthru = null;
      } new;
in
rec {
  # A derivation that is part of a result, with what stdenv's have.
  part =
    function: users: derivation:
    derivation
    // {
      outputs = [ "out" ];
      meta = derivation.meta or { };
      passthru = derivation.passthru or { };
      overrideAttrs = change: part function users (withAttributes function users derivation change);
    };

  # The result of `call arguments`, which is `image`.
  overridable =
    {
      function,
      call,
      users,
    }:
    image:
    let
      with' =
        result:
        result
        // {
          outputs = [ "out" ];
          override = new: call (changed users new);
          overrideAttrs =
            change:
            with' (withAttributes function users result change)
            // {
              # Other arguments, and then the same change again.
              override = new: (call (changed users new)).overrideAttrs change;
            };
          overrideDerivation = change: with' (withAttributes function users result change);
        };
    in
    with' image;
}
