# GOARCH, and the variant where one goes with it, of a Nix system.
system:
let
  cpu = builtins.head (builtins.split "-" system);

  platforms = {
    aarch64.architecture = "arm64";
    armv5tel = {
      architecture = "arm";
      variant = "v5";
    };
    armv6l = {
      architecture = "arm";
      variant = "v6";
    };
    armv7l = {
      architecture = "arm";
      variant = "v7";
    };
    i686.architecture = "386";
    loongarch64.architecture = "loong64";
    mips64el.architecture = "mips64le";
    powerpc64le.architecture = "ppc64le";
    riscv64.architecture = "riscv64";
    s390x.architecture = "s390x";
    x86_64.architecture = "amd64";
  };
in
platforms.${cpu}
  or (throw "no architecture is known for the system '${system}'; set architecture (of ociImage) or arch (of pullImage)")
