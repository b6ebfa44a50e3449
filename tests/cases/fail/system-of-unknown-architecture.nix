# error: no architecture is known for the system 'vax-netbsd'; set architecture (of ociImage) or arch (of pullImage)
# at: none
builtins.ociImage {
  name = "app";
  system = "vax-netbsd";
}
