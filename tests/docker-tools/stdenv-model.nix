# What nixpkgs' stdenv says of a derivation while it is evaluated: a function of its attributes. The environment is
# evaluated with its path.
{ pkgs }:
let
  inherit (builtins)
    concatStringsSep
    isFunction
    isList
    removeAttrs
    split
    stringLength
    substring
    unsafeDiscardStringContext
    ;

  # Characters that no store path may have are a dash, and so is a run of them; the text's context goes.
  storeName =
    text:
    let
      words = split "[^[:alnum:]+._?=-]+" (withoutDots (unsafeDiscardStringContext text));
      name = concatStringsSep "" (map (word: if isList word then "-" else word) words);
      length = stringLength name;
    in
    if length == 0 then
      "unknown"
    else if length > 207 then
      substring (length - 207) 207 name
    else
      name;
  withoutDots = text: if substring 0 1 text == "." then withoutDots (substring 1 (-1) text) else text;

  stdenvDerivation =
    attributes:
    let
      environment = removeAttrs attributes [
        "passthru"
        "meta"
      ];
      meta = attributes.meta or { };
      drv = derivation (
        environment
        // {
          __ignoreNulls = true;
          name = storeName attributes.name;
          inherit (pkgs.stdenv.buildPlatform or { system = builtins.currentSystem; }) system;
          builder = "/bin/sh";
        }
      );
      # A function of the old attributes, or of the new ones and the old.
      changed =
        new:
        let
          once = if isFunction new then new attributes else new;
          all = attributes // (if isFunction once then new all attributes else once);
        in
        all;
    in
    assert builtins.isAttrs meta;
    drv
    // {
      outputs = [ "out" ];
      inputDerivation = drv;
      args = [ ];
      __structuredAttrs = false;
      passthru = attributes.passthru or { };
      inherit meta;
      overrideAttrs = new: stdenvDerivation (changed new);
    }
    // attributes.passthru or { };

in
stdenvDerivation
