# Where an image is put together does not determine it: the same architecture, the same tag.
let
  on =
    system:
    builtins.ociImage {
      name = "app";
      architecture = "arm64";
      inherit system;
    };
in
assert (on "x86_64-linux").imageTag == (on "aarch64-linux").imageTag;
assert (on "x86_64-linux").system == "x86_64-linux";
assert (on "aarch64-linux").system == "aarch64-linux";
assert (on "aarch64-linux").root.system == "aarch64-linux";
true
