# A database needs the closure, whether or not the image has its paths; it is a derivation of its own.
let
  image = arguments: builtins.ociImage ({ name = "app"; } // arguments);
  exports = arguments: (image arguments) ? exportReferencesGraph;
  closure = arguments: (image arguments).database.exportReferencesGraph.closure;
in
assert exports { };
assert exports { includeNixDB = true; };
assert closure { includeNixDB = true; } == [ "${(image { includeNixDB = true; }).root}" ];
assert closure { includeNixDB = true; includeStorePaths = false; } == closure { includeNixDB = true; };
assert !(image { } ? database);
assert !(exports { includeStorePaths = false; });
assert (image { includeNixDB = true; }).imageTag != (image { }).imageTag;
true
