# Packages for one system. What nix/*.nix builds is built with the machine's own programs, which ./machine.nix names
# where a test has written it; of packages that others have made there is a name, a version, and an empty folder.
system:
let
  lib = import ./lib.nix;
  machine = {
    environment = { };
    nix = "2.31.2";
    programs = [ ];
    # A folder that tests/docker-tools/programs has made: packages that run.
    packages = null;
  }
  // (if builtins.pathExists ./machine.nix then import ./machine.nix else { });

  # The phases that nixpkgs' stdenv has, of which nix/*.nix uses these.
  setup = ''
    for input in ''${nativeBuildInputs-}; do PATH=$input/bin:$PATH; done
    export PATH TMPDIR=$PWD
    # Not exported: scripts of crates would run again where the variable was not set the last time.
    CC=cc
    [ "$NIX_BUILD_CORES" != 0 ] || NIX_BUILD_CORES=$(nproc)
    runHook() { if [ "$(type -t "$1")" = function ]; then "$1"; else eval "''${!1-}"; fi; }
    if [ -n "''${src-}" ]; then cp -r "$src" source; chmod -R u+w source; cd source; fi
    # With the profile and the build directory of `cargo test`, whose crates are compiled already.
    if [ -n "''${cargoDeps-}" ]; then
      export CARGO_TARGET_DIR=$PWD/target
      mkdir target
      ln -s debug target/release
      cargo() { command cargo "''${@/#--release/--profile=dev}"; }
    fi
    if [ -n "''${buildCommand-}" ]; then eval "$buildCommand"; exit; fi
    eval "$buildPhase"
    eval "$installPhase"
  '';

  mkDerivation =
    arguments:
    let
      result = derivation (
        machine.environment
        // removeAttrs arguments [
          "meta"
          "passthru"
          "strictDeps"
        ]
        // {
          name = arguments.name or "${arguments.pname}-${arguments.version}";
          inherit system;
          builder = "/bin/bash";
          args = [
            "-euc"
            setup
          ];
        }
      );
    in
    # As in nixpkgs, an output is a package with the attributes of the whole.
    result
    // {
      inherit stdenv;
      meta = arguments.meta or { };
      passthru = arguments.passthru or { };
    }
    // (arguments.passthru or { });

  runCommand =
    name: arguments: buildCommand:
    mkDerivation (arguments // { inherit name buildCommand; });

  package =
    name: version: attributes:
    mkDerivation {
      inherit version;
      pname = name;
      buildCommand = "mkdir -p $out";
      passthru = attributes;
    };

  libc = package "glibc" "2.40" { static = package "glibc-static" "2.40" { }; };
  stdenv = (runs.stdenv or { }) // rec {
    inherit mkDerivation;
    hostPlatform = {
      inherit system;
      isStatic = false;
      rust.rustcTarget = builtins.head (builtins.split "-" system) + "-unknown-linux-gnu";
    };
    buildPlatform = hostPlatform // {
      canExecute = other: other.system == system;
    };
    cc = { inherit libc; };
  };
  # A stdenv that shows what was made with it.
  stdenvOf =
    name: stdenv // { mkDerivation = arguments: mkDerivation (arguments // { stdenvName = name; }); };

  # In parts, as since 2.26; and in one piece, as before.
  inParts =
    version: boost:
    package "nix" version {
      stdenv = stdenvOf "components-${version}";
      libs =
        lib.genAttrs
          [
            "nix-util"
            "nix-store"
            "nix-fetchers"
            "nix-expr"
            "nix-main"
            "nix-cmd"
          ]
          (
            name:
            package name version {
              stdenv = stdenvOf "components-${version}";
              propagatedBuildInputs = [ boost ];
            }
          );
    };
  inOnePiece =
    version:
    package "nix" version rec {
      stdenv = stdenvOf "one-piece-${version}";
      buildInputs = [ (package "boost" "1.81.0" { }) ];
      dev = package "nix" version { inherit stdenv buildInputs; } // {
        outputName = "dev";
      };
    };
  # The machine's own Nix: its version is true, and its programs run.
  installed =
    mkDerivation {
      pname = "nix";
      version = machine.nix;
      buildCommand = ''
        mkdir -p $out/bin
        for program in ${toString machine.programs}; do ln -s $program $out/bin/; done
      '';
    }
    // {
      dev = package "nix" machine.nix { };
    };

  runs =
    if machine.packages != null then
      import ./docker-tools/pkgs.nix {
        programs = machine.packages;
        inherit system;
      }
    else
      {
        writeShellScriptBin = name: text: runCommand name { inherit text; } "exit 1";
        hello = package "hello" "2.12.2" { };
        redis = package "redis" "8.2.1" { };
        coreutils = package "coreutils" "9.8" { };
        bashInteractive = package "bash-interactive" "5.3" { };
      };

  pkgs =
    runs
    // rec {
      # The functions that nix/docker-tools.nix calls are in the other stand-in.
      lib = import ./lib.nix // (runs.lib or { });
      inherit
        pkgs
        stdenv
        runCommand
        ;
      buildPackages = pkgs;
      callPackage =
        path: arguments:
        let
          f = import path;
          named = builtins.intersectAttrs (builtins.functionArgs f) pkgs;
        in
        lib.makeOverridable f (named // arguments);
      mkShell =
        arguments:
        derivation {
          name = "nix-shell";
          inherit system;
          inherit (arguments) packages;
          builder = "/bin/bash";
        };

      rustc = package "rustc" "1.91.1" { };
      cargo = package "cargo" "1.91.1" { };
      rustPlatform = {
        cargoSetupHook = package "cargo-setup-hook" "1" { };
        importCargoLock = { lockFile }: "${lockFile}";
      };

      # With the machine's own Nix, plugins are really built: for that one alone.
      nix = if machine.programs == [ ] then inParts machine.nix boost else installed;
      nixVersions = if machine.programs == [ ] then versions else { };
      versions = {
        nix_2_3 = inOnePiece "2.3.18";
        nix_2_8 = inOnePiece "2.8.1";
        nix_2_24 = inOnePiece "2.24.15";
        nix_2_26 = throw "nix_2_26 has been removed";
        nix_2_28 = inOnePiece "2.28.5" // {
          drvPath = throw "nix-2.28.5 is marked as insecure, refusing to evaluate";
        };
        nix_2_30 = inParts "2.30.3" (package "boost" "1.86.0" { });
        nix_2_31 = inParts "2.31.2" boost;
        nix_2_99 = inParts "2.99.0" boost;
        nixComponents_2_31 = (inParts "2.31.2" boost).libs;
        git = inParts "2.34pre20260101_abcdef01" boost;
        latest = versions.nix_2_31;
        stable = versions.nix_2_30;
        minimum = throw "nixVersions.minimum has been removed";
        unstable = throw "nixVersions.unstable has been removed";
        override = _: { };
        recurseForDerivations = true;
      };
      lix = inOnePiece "2.93.3" // {
        pname = "lix";
      };
      determinate = inParts "3.12.0" boost // {
        pname = "determinate-nix";
      };
      nixStatic = inParts "2.31.2" boost // {
        stdenv.hostPlatform.isStatic = true;
      };
      nixWithoutHeaders = package "nix" "2.31.2" { };

      boost = package "boost" "1.87.0" { };
      nlohmann_json = package "nlohmann_json" "3.12.0" { };
    }
    // lib.genAttrs [
      "clippy"
      "rustfmt"
      "clang-tools"
      "nixfmt"
      "pkg-config"
      "skopeo"
      "umoci"
      "jq"
    ] (name: package name "1.0" { })
    // {
      testers.runNixOSTest =
        test:
        let
          described = import test { inherit pkgs; };
        in
        derivation {
          name = "vm-test-run-${described.name}";
          inherit system;
          inherit (described) testScript;
          builder = "/bin/bash";
        }
        // {
          inherit described;
        };
    };
in
pkgs
