let
  image = builtins.ociImage {
    name = "app";
    tag = "1";
    config.User = "1000";
  };
  same = builtins.ociImage {
    name = "app";
    tag = "2";
    config.User = "1000";
  };
  withSet = image.override { tag = "2"; };
  withFunction = image.override (old: { tag = toString (1 + builtins.fromJSON old.tag); });
  twice = withSet.override { name = "other"; };
in
assert withSet.imageRef == "app:2";
assert withSet.drvPath == same.drvPath;
assert withFunction.drvPath == same.drvPath;
assert twice.imageRef == "other:2";
assert twice.args == {
  name = "other";
  tag = "2";
  config.User = "1000";
};
assert image.imageRef == "app:1";
true
