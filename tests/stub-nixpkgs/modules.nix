# As much of nixpkgs' module system as nix/modules uses: imports, mkIf, defaults of options, and definitions that are
# merged (sets by name, lists one after the other). Nothing is checked: neither types nor names.
let
  isSet = value: builtins.isAttrs value && !(value ? _type) && (value.type or null) != "derivation";

  # `mkIf` of a set becomes a set of `mkIf`s, so that which names there are depends on no condition.
  pushed =
    definition:
    if (definition._type or null) == "if" && isSet definition.content then
      builtins.mapAttrs (_: content: definition // { inherit content; }) definition.content
    else
      definition;

  leaf =
    definitions: default:
    let
      values = builtins.concatMap (
        definition:
        if (definition._type or null) != "if" then
          [ definition ]
        else if definition.condition then
          [ definition.content ]
        else
          [ ]
      ) definitions;
    in
    if values == [ ] then
      default
    else if builtins.all builtins.isList values then
      builtins.concatLists values
    else if builtins.length values == 1 then
      builtins.head values
    else
      throw "conflicting definitions";

  evaluate =
    options: definitions:
    let
      all = map pushed definitions;
      names = builtins.attrNames (builtins.foldl' (a: b: a // b) options all);
    in
    if (options._type or null) == "option" then
      leaf all (options.default or (throw "an option without a value"))
    else if options == { } && !(builtins.all isSet all) then
      leaf all [ ]
    else
      builtins.listToAttrs (
        map (name: {
          inherit name;
          value = evaluate (options.${name} or { }) (
            builtins.concatMap (set: if set ? ${name} then [ set.${name} ] else [ ]) all
          );
        }) names
      );
in
{
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkOption = option: option // { _type = "option"; };
  mkEnableOption = description: {
    _type = "option";
    inherit description;
    default = false;
  };
  literalExpression = text: text;
  types.package = "package";

  evalModules =
    { modules, specialArgs }:
    let
      load =
        module:
        if builtins.isFunction module then
          load (
            module (
              specialArgs
              // {
                inherit config;
                lib = import ./lib.nix;
              }
            )
          )
        else if !builtins.isAttrs module then
          load (import module)
        else
          [ module ] ++ builtins.concatMap load (module.imports or [ ]);
      loaded = builtins.concatMap load modules;
      config =
        evaluate
          # The only options that are declared: nix/modules/shared.nix has all of ours.
          (builtins.foldl' (all: module: all // (module.options or { })) { } loaded)
          (
            map (
              module:
              module.config or (removeAttrs module [
                "imports"
                "options"
              ])
            ) loaded
          );
    in
    {
      inherit config;
    };
}
