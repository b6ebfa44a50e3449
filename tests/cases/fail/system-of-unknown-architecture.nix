# error: builtins.ociImage: no architecture is known for the system 'vax-netbsd'; set architecture
# at: none
builtins.ociImage {
  name = "app";
  system = "vax-netbsd";
}
