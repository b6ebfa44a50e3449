# Everything that is the same for each version of Nix, compiled once.
#
#   out   bin/gantry: the command and the builder of images; static, because it runs in sandboxes that have nothing
#         else. Images depend on this output alone.
#   link  lib/libgantry.a and include/, of which ./plugin.nix links a plugin for one Nix, and the loader,
#         lib/nix/plugins/libgantry.so
#
# The executable is static with glibc (`crt-static`) instead of pkgsStatic's musl. The plugin's side is loaded into a
# process that has glibc, so musl would need a second compilation of every crate, and a cross toolchain that no
# binary cache has for both processors.
{
  lib,
  stdenv,
  cargo,
  rustc,
  rustPlatform,
}:
let
  inherit (lib.importTOML ../Cargo.toml) package;
  libc = stdenv.cc.libc;
  isCross = stdenv.buildPlatform.system != stdenv.hostPlatform.system;
  target = stdenv.hostPlatform.rust.rustcTarget;
in
assert lib.assertMsg (lib.versionAtLeast rustc.version package.rust-version)
  "gantry needs Rust ${package.rust-version} or newer, and this nixpkgs has ${rustc.version}: take the package from a newer nixpkgs";
stdenv.mkDerivation (
  {
    pname = "gantry-builder";
    inherit (package) version;
    src = (import ./source.nix { inherit lib; }).rust;
    outputs = [
      "out"
      "link"
    ];
    strictDeps = true;

    cargoDeps = rustPlatform.importCargoLock { lockFile = ../Cargo.lock; };
    nativeBuildInputs = [
      cargo
      rustc
      rustPlatform.cargoSetupHook
    ];
    buildInputs = lib.optional (libc ? static) libc.static;

    # The first command compiles all crates, the plugin's side too; the second only names that library.
    buildPhase = ''
      runHook preBuild
      cargo rustc --offline -j "$NIX_BUILD_CORES" --release --bin gantry -- -C target-feature=+crt-static
      cargo build --offline -j "$NIX_BUILD_CORES" --release --lib
      $CC -std=c99 -O2 -Wall -Wextra -fPIC -shared -o loader.so cpp/loader.c -ldl
      runHook postBuild
    '';

    # cxx leaves its headers in a folder cxxbridge, as links into the build directory.
    installPhase = ''
      runHook preInstall
      results=target${lib.optionalString isCross "/${target}"}
      install -D -m 755 $results/release/gantry $out/bin/gantry
      install -D -m 644 $results/release/libgantry.a $link/lib/libgantry.a
      install -D -m 755 loader.so $link/lib/nix/plugins/libgantry.so
      mkdir -p $link/include
      cp -rL "$(find target -maxdepth 2 -name cxxbridge)/." $link/include
    ''
    # The command writes its own manual pages and completions.
    + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
      mkdir -p $out/share/man/man1 $out/share/bash-completion/completions $out/share/zsh/site-functions $out/share/fish/vendor_completions.d
      $out/bin/gantry completions bash > $out/share/bash-completion/completions/gantry
      $out/bin/gantry completions zsh > $out/share/zsh/site-functions/_gantry
      $out/bin/gantry completions fish > $out/share/fish/vendor_completions.d/gantry.fish
      $out/bin/gantry man $out/share/man/man1
    ''
    + ''
      runHook postInstall
    '';

    # `make test` needs root, and a Nix with a store of its own.
    doCheck = false;

    meta = {
      inherit (package) description;
      license = [
        lib.licenses.mit
        lib.licenses.asl20
      ];
      platforms = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      mainProgram = "gantry";
    };
  }
  // lib.optionalAttrs isCross { CARGO_BUILD_TARGET = target; }
)
