# error: builtins.ociImage: buildVMMemorySize: unknown argument, accepted: name, tag, 
# at: 5:3
builtins.ociImage {
  name = "app";
  buildVMMemorySize = 512;
}
