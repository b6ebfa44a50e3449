# error: builtins.ociImage: tag: found "a b", accepted: a tag
# at: 5:5
let
  common = {
    tag = "a b";
  };
in
builtins.ociImage (common // { name = "app"; })
