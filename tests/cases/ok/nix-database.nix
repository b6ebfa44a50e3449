# A database needs the closure, whether or not the image has its paths.
let
  image = arguments: builtins.ociImage ({ name = "app"; } // arguments);
  exports = arguments: (image arguments) ? exportReferencesGraph;
in
assert exports { };
assert exports { includeNixDB = true; };
assert exports { includeStorePaths = false; includeNixDB = true; };
assert !(exports { includeStorePaths = false; });
assert (image { includeNixDB = true; }).imageTag != (image { }).imageTag;
true
