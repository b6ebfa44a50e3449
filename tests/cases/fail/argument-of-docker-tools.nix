# error: builtins.ociImage: compressor: unknown argument, did you mean "compression"?
# at: 5:3
builtins.ociImage {
  name = "app";
  compressor = "gz";
}
