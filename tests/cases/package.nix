# A package that no machine can build: cases must not need it built.
name:
derivation {
  inherit name;
  system = "x86_64-linux";
  builder = "/does/not/exist";
}
