# error: a list
# at: none
builtins.ociImage [ ]
