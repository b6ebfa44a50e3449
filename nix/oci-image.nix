# Stands in for the function behind builtins.ociImage: checks the arguments and shows what it is given.
prim: args:
let
  checked = prim.validate [ "meta" "passthru" ] args;
in
{
  inherit (prim) builder system version;
  inherit (checked) name;
  args = checked;
}
