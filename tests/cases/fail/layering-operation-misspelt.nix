# error: builtins.ociImage: layering[0][0]: unknown operation "flaten", did you mean "flatten"?
# at: 5:3
builtins.ociImage {
  name = "app";
  layering = [ [ "flaten" ] ];
}
