# An image holds its closure, so that Nix need not keep that, too; but a stream, and a layout of links to
# explicit layers, are nothing without what they refer to.
let
  layers = [ (import ../package.nix "hello") ];
  discards =
    arguments: (builtins.ociImage ({ name = "app"; } // arguments)) ? unsafeDiscardReferences;
  supported =
    builtins.compareVersions builtins.nixVersion "2.18" >= 0
    || builtins.compareVersions builtins.nixVersion "2.14" < 0;
in
assert discards { } == supported;
assert discards { inherit layers; } == supported;
assert discards { format = "layout"; } == supported;
assert discards { format = "layout"; layers = [ ]; } == supported;
assert !(discards { format = "layout"; inherit layers; });
assert !(discards { format = "stream"; });
true
