# error: builtins.ociImage: name: required, but missing
# at: none
builtins.ociImage { }
