# Errors and warnings about arguments: in the name of the function that the user called, at the attribute that the user
# wrote.
{ lib, ociImage }:
let
  # Without the plugin an error is Nix's `throw`, whose own position is here: the text has the user's.
  plugin = builtins ? ociImage;

  # " at FILE:LINE:COLUMN" of an attribute, where Nix knows it.
  at =
    set: name:
    let
      position = if builtins.isAttrs set then builtins.unsafeGetAttrPos name set else null;
    in
    # What was typed on a command line has no file.
    if position == null || builtins.substring 0 1 position.file != "/" then
      ""
    else
      " at ${position.file}:${toString position.line}:${toString position.column}";

  # What the builtin is given, so that its errors are the function's (cpp/caller.hh). `names` has the user's names of
  # arguments that the builtin calls otherwise.
  callerOf = function: arguments: names: {
    __caller = { inherit function arguments names; };
  };
in
rec {
  inherit callerOf;

  # An error about the argument `name` among the user's `arguments`.
  fail =
    function: arguments: name: message:
    # mergeImages' argument is a list.
    if plugin && builtins.isAttrs arguments then
      ociImage {
        __caller = (callerOf function arguments { }).__caller // {
          failure = { inherit name message; };
        };
      }
    else
      throw "${function}: ${name}: ${message}${at arguments name}";

  # A warning about the attribute `name` of `set`, which stands at `path` ("config.") of the function's arguments.
  warn =
    function: set: path: name: message:
    lib.warn "${function}: ${path}${name}: ${message}${at set name}";

  # The arguments, if they are among `accepted` (of builtins.functionArgs) and `required` ones are there.
  checked =
    function: accepted: required: arguments:
    let
      unknown = builtins.filter (name: !(accepted ? ${name})) (builtins.attrNames arguments);
      missing = builtins.filter (name: !(arguments ? ${name})) required;
    in
    if unknown != [ ] then
      fail function arguments (builtins.head unknown)
        "unknown argument, accepted: ${builtins.concatStringsSep ", " (builtins.attrNames accepted)}"
    else if missing != [ ] then
      fail function arguments (builtins.head missing) "required argument is missing"
    else
      arguments;

  # One item, or a list of them, or none.
  toList =
    value:
    if value == null then
      [ ]
    else if builtins.isList value then
      value
    else
      [ value ];

  # nixpkgs takes null for most arguments that have a default.
  orElse = default: value: if value == null then default else value;

  # nixpkgs' builders get numbers as text.
  numberOf =
    value:
    if builtins.isString value && builtins.match "[0-9]+" value != null then
      builtins.fromJSON (builtins.head (builtins.match "0*([0-9]+)" value))
    else
      value;

  # A point in time as builtins.ociImage takes it. null is not given; GNU date, which nixpkgs asks, knows UTC by name.
  timeOf =
    default: value:
    let
      ofUtc = if builtins.isString value then builtins.match "(.*[0-9]) ?UTC" value else null;
    in
    if value == null then
      default
    else if ofUtc != null then
      "${builtins.head ofUtc}Z"
    else
      value;

  # A derivation's name out of any text, by the rules of nixpkgs' lib.strings.sanitizeDerivationName: no string
  # context, no dots in front, "-" for all else that a store path cannot have, the last 207 characters.
  derivationName =
    text:
    let
      plain = builtins.unsafeDiscardStringContext text;
      undotted = builtins.head (builtins.match "[.]*(.*)" plain);
      parts = builtins.filter builtins.isString (builtins.split "[^[:alnum:]+._?=-]+" undotted);
      name = builtins.concatStringsSep "-" parts;
      length = builtins.stringLength name;
    in
    if name == "" then
      "unknown"
    else
      builtins.substring (if length > 207 then length - 207 else 0) (-1) name;
}
