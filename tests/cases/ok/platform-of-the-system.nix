# The architecture follows `system` unless it is given; what a derivation carries is what the builder reads.
let
  platform =
    arguments:
    let
      image = builtins.ociImage ({ name = "app"; } // arguments);
    in
    builtins.removeAttrs image.gantry.arguments (
      builtins.filter (
        name:
        !(builtins.elem name [
          "architecture"
          "os"
          "variant"
        ])
      ) (builtins.attrNames image.gantry.arguments)
    );
  linux = architecture: variant: {
    inherit architecture variant;
    os = "linux";
  };
in
assert platform { system = "x86_64-linux"; } == linux "amd64" null;
assert platform { system = "aarch64-linux"; } == linux "arm64" null;
assert platform { system = "aarch64-darwin"; } == linux "arm64" null;
assert platform { system = "i686-linux"; } == linux "386" null;
assert platform { system = "armv6l-linux"; } == linux "arm" "v6";
assert platform { system = "armv7l-linux"; } == linux "arm" "v7";
assert platform { system = "riscv64-linux"; } == linux "riscv64" null;
assert platform { system = "powerpc64le-linux"; } == linux "ppc64le" null;
assert platform { system = "s390x-linux"; } == linux "s390x" null;
assert platform { system = "loongarch64-linux"; } == linux "loong64" null;
assert platform { system = "mips64el-linux"; } == linux "mips64le" null;
# An architecture that was asked for comes without the system's variant.
assert
  platform {
    system = "armv7l-linux";
    architecture = "arm64";
  } == linux "arm64" null;
assert
  platform {
    system = "vax-netbsd";
    architecture = "arm";
    variant = "v7";
  } == linux "arm" "v7";
true
