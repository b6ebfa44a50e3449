# The functions of nixpkgs' lib that nix/docker-tools.nix calls, with their meaning.
rec {
  filterAttrs =
    keep: set:
    removeAttrs set (builtins.filter (name: !keep name set.${name}) (builtins.attrNames set));

  mapAttrsToList = f: set: map (name: f name set.${name}) (builtins.attrNames set);

  imap0 =
    f: list: builtins.genList (index: f index (builtins.elemAt list index)) (builtins.length list);

  last = list: builtins.elemAt list (builtins.length list - 1);

  hasSuffix =
    suffix: text:
    let
      start = builtins.stringLength text - builtins.stringLength suffix;
    in
    start >= 0 && builtins.substring start (builtins.stringLength suffix) text == suffix;

  toLower =
    let
      upper = [
        "A"
        "B"
        "C"
        "D"
        "E"
        "F"
        "G"
        "H"
        "I"
        "J"
        "K"
        "L"
        "M"
        "N"
        "O"
        "P"
        "Q"
        "R"
        "S"
        "T"
        "U"
        "V"
        "W"
        "X"
        "Y"
        "Z"
      ];
      lower = [
        "a"
        "b"
        "c"
        "d"
        "e"
        "f"
        "g"
        "h"
        "i"
        "j"
        "k"
        "l"
        "m"
        "n"
        "o"
        "p"
        "q"
        "r"
        "s"
        "t"
        "u"
        "v"
        "w"
        "x"
        "y"
        "z"
      ];
    in
    builtins.replaceStrings upper lower;

  mapAttrs' = f: set: builtins.listToAttrs (map (name: f name set.${name}) (builtins.attrNames set));

  boolToString = value: if value then "true" else "false";

  warn = message: value: builtins.trace "warning: ${message}" value;

  escapeShellArg = argument: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString argument)}'";
  escapeShellArgs = arguments: builtins.concatStringsSep " " (map escapeShellArg arguments);

  # `override` takes a set or a function, and so does what it makes.
  makeOverridable =
    f: arguments:
    let
      result = f arguments;
      changed = new: arguments // (if builtins.isFunction new then new arguments else new);
      override = new: makeOverridable f (changed new);
    in
    if builtins.isAttrs result then
      result
      // {
        inherit override;
      }
      // (
        if result ? overrideAttrs then
          { overrideAttrs = new: makeOverridable (more: (f more).overrideAttrs new) arguments; }
        else
          { }
      )
    else
      result;
}
