# A stand-in for nixpkgs: as much of it as nix/docker-tools.nix and nix/examples.nix use, of Debian's programs,
# which really run, in the sandbox and in images (./programs makes the folder of them).
#
# Programs that need libraries are started by scripts, with a loader of their own: nothing is expected in /lib64.
{
  programs,
  system ? builtins.currentSystem,
  hostSystem ? system,
  overlays ? [ ],
}:
let
  lib = import ./lib.nix;

  folder =
    name:
    builtins.path {
      path = programs + "/${name}";
      inherit name;
    };

  # What builds the packages below, before there is a stdenv.
  box = folder "busybox";
  package =
    name: script:
    derivation {
      inherit name system;
      builder = "${box}/bin/sh";
      PATH = "${box}/bin";
      args = [
        "-euc"
        script
      ];
    };

  bash = package "bash" ''
    mkdir -p $out/bin
    cp ${folder "bash"}/bin/bash $out/bin/bash
    ln -s bash $out/bin/sh
  '';
  shell = "${bash}/bin/bash";

  busybox = package "busybox" ''
    cp -r ${box} $out
  '';

  # Without what nixpkgs has elsewhere.
  coreutils = package "coreutils" ''
    cp -r ${box} $out
    chmod u+w $out/bin
    rm $out/bin/sh $out/bin/ash
  '';

  # `names` are further names of the first of `commands`.
  withLibraries =
    name: commands: names:
    package name ''
      cp -r ${folder name} $out
      chmod u+w $out
      mkdir $out/bin
      for command in ${toString commands}; do
        cat > $out/bin/$command <<END
      #!${shell}
      exec $out/lib/loader --argv0 "\$0" --library-path $out/lib $out/programs/$command "\$@"
      END
        chmod 755 $out/bin/$command
      done
      for name in ${toString names}; do ln -s ${builtins.head commands} $out/bin/$name; done
    '';

  # What stdenv's setup does that nix-shell and runCommand rely on: PATH of the tools and inputs, hooks, phases.
  setup = package "stdenv" ''
    mkdir $out
    cat > $out/setup <<'END'
    PATH=${coreutils}/bin:${bash}/bin
    for input in ''${nativeBuildInputs-} ''${buildInputs-}; do PATH=$input/bin:$PATH; done
    export PATH
    runHook() {
      if [ "$(type -t "$1")" = function ]; then "$1"; else eval "''${!1-}"; fi
    }
    genericBuild() {
      if [ -n "''${buildCommandPath-}" ]; then source "$buildCommandPath"; else eval "$buildCommand"; fi
    }
    END
  '';
  stdenv = setup // {
    inherit shell;
    initialPath = [
      coreutils
      bash
    ];
    hostPlatform.system = hostSystem;
  };

  runCommand =
    name: attributes: buildCommand:
    derivation (
      {
        inherit
          name
          system
          stdenv
          buildCommand
          ;
        builder = shell;
        args = [
          "-c"
          ''
            if [ -e "$NIX_BUILD_TOP/.attrs.sh" ]; then source "$NIX_BUILD_TOP/.attrs.sh"; fi
            source "$stdenv/setup"
            set -eu -o pipefail
            genericBuild
          ''
        ];
        passAsFile = [ "buildCommand" ] ++ attributes.passAsFile or [ ];
      }
      // removeAttrs attributes [ "passAsFile" ]
    );

  write =
    {
      name,
      text,
      executable ? false,
      destination ? "",
    }:
    runCommand name
      {
        inherit text;
        passAsFile = [ "text" ];
      }
      ''
        target=$out${destination}
        mkdir -p "$(dirname "$target")"
        cp "$textPath" "$target"
        ${if executable then "chmod 755" else "chmod 644"} "$target"
      '';

  self = builtins.foldl' (prev: overlay: prev // overlay self prev) packages overlays;
  with' =
    more:
    import ./pkgs.nix (
      {
        inherit
          programs
          system
          hostSystem
          overlays
          ;
      }
      // more
    );

  packages = {
    inherit
      lib
      stdenv
      bash
      runCommand
      ;
    bashInteractive = bash;
    runtimeShell = shell;
    inherit coreutils;
    pkgsStatic = { inherit busybox; };

    writeText = name: text: write { inherit name text; };
    writeTextDir =
      path: text:
      write {
        name = baseNameOf path;
        inherit text;
        destination = "/${path}";
      };
    writeScript =
      name: text:
      write {
        inherit name text;
        executable = true;
      };
    writeScriptBin =
      name: text:
      write {
        inherit name text;
        executable = true;
        destination = "/bin/${name}";
      };
    writeShellScriptBin =
      name: text:
      write {
        inherit name;
        text = "#!${shell}\n${text}";
        executable = true;
        destination = "/bin/${name}";
      };

    hello = package "hello" ''
      mkdir -p $out/bin
      printf '#!%s\necho "Hello, world!"\n' ${shell} > $out/bin/hello
      chmod 755 $out/bin/hello
    '';
    nginx = withLibraries "nginx" [ "nginx" ] [ ];
    redis = withLibraries "redis" [ "redis-server" "redis-cli" ] [ ];
    nix = withLibraries "nix" [ "nix" ] [ "nix-store" "nix-daemon" "nix-build" "nix-instantiate" ];
    shadow = withLibraries "shadow" [ "useradd" "groupadd" ] [ ];
    cacert = package "cacert" ''
      mkdir -p $out/etc/ssl/certs
      echo '-----BEGIN CERTIFICATE-----' > $out/etc/ssl/certs/ca-bundle.crt
    '';

    # As in nixpkgs, overlays are for packages of other platforms, too.
    extend = overlay: with' { overlays = overlays ++ [ overlay ]; };
    pkgsCross.aarch64-multiplatform = with' { hostSystem = "aarch64-linux"; };

    # What a system says that has these files in /etc: links to them, and from those to where they are.
    nixos =
      { environment }:
      let
        etc = runCommand "etc" { } (
          "mkdir -p $out/etc\n"
          + builtins.concatStringsSep "" (
            lib.mapAttrsToList (
              name: file: "printf %s ${lib.escapeShellArg file.text} > $out/etc/${name}\n"
            ) environment.etc
          )
        );
      in
      {
        config.system.build.etcActivationCommands = ''
          ln -sfn ${etc}/etc /etc/static
          for file in /etc/static/*; do ln -s "$file" "/etc/$(basename "$file")"; done
        '';
      };
  };
in
self
