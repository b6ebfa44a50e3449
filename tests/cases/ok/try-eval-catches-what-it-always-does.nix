# without plugin: no, arguments are not checked while evaluating, so nothing is forced
#
# `throw` and failed assertions of the user's own.
let
  try = arguments: (builtins.tryEval (builtins.ociImage ({ name = "app"; } // arguments))).success;
in
assert try { config.Cmd = [ "app" ]; };
assert !try { config.Cmd = [ (throw "mine") ]; };
assert
  !try {
    config =
      assert false;
      { };
  };
assert !try { contents = throw "mine"; };
assert try { passthru.broken = throw "mine"; };
true
