let
  image = name: builtins.ociImage { inherit name; };
in
assert (image "one").drvPath == (image "one").drvPath;
assert (image "one").drvPath != (image "two").drvPath;
# The root layer does not depend on the name, but its derivation has one.
assert (image "one").root.gantry == (image "two").root.gantry;
assert (image "one").builder == (image "two").builder;
true
