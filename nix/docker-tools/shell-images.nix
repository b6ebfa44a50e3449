# buildNixShellImage and streamNixShellImage: images of a derivation's development shell.
{
  pkgs,
  lib,
  arguments,
  images,
  packages,
}:
let
  inherit (packages) binSh usrBinEnv fakeNss;

  # An attribute of a derivation as its builder finds it in the environment.
  environmentText =
    value:
    if builtins.isPath value then
      "${value}"
    else if builtins.isList value then
      builtins.concatStringsSep " " (map environmentText value)
    else
      toString value;

  environmentOf =
    drv:
    let
      attributes = lib.filterAttrs (
        name: value:
        name != "args" && name != "__ignoreNulls" && !(value == null && drv.drvAttrs.__ignoreNulls or false)
      ) drv.drvAttrs;
      inFiles = drv.drvAttrs.passAsFile or [ ];
    in
    builtins.mapAttrs (_: environmentText) (builtins.removeAttrs attributes inFiles)
    // builtins.listToAttrs (
      map (name: {
        name = "${name}Path";
        value = "${pkgs.writeText "pass-as-text-${name}" (environmentText drv.drvAttrs.${name})}";
      }) inFiles
    )
    # Where the build will put them: the image must not depend on what it is there to build.
    // builtins.listToAttrs (
      map (output: {
        name = output;
        value = builtins.unsafeDiscardStringContext drv.${output}.outPath;
      }) drv.outputs or [ "out" ]
    );

  # The layered image's arguments.
  imageArguments =
    function: users:
    {
      drv,
      name,
      tag,
      uid,
      gid,
      homeDirectory,
      shell,
      command,
      run,
    }:
    let
      owner = "${toString uid}:${toString gid}";
      buildDirectory = "/build";

      buildDerivation = pkgs.writeShellScriptBin "buildDerivation" ''
        exec ${
          lib.escapeShellArgs (map environmentText ([ drv.drvAttrs.builder ] ++ drv.drvAttrs.args or [ ]))
        }
      '';

      # As nix-shell does it: the variables are set, stdenv's setup makes a PATH of the inputs.
      rcFile = pkgs.writeText "nix-shell-rc" ''
        unset PATH
        dontAddDisableDepTrack=1
        if [ -e "''${stdenv-}/setup" ]; then source "$stdenv/setup"; fi
        PATH=${builtins.dirOf shell}:${buildDerivation}/bin''${PATH:+:$PATH}
        SHELL=${lib.escapeShellArg shell}
        BASH=$SHELL
        export PATH SHELL
        set +e
        if [ -n "''${PS1-}" ]; then PS1='\n\[\e[1;32m\][nix-shell:\w]\$\[\e[0m\] '; fi
        if [ "$(type -t runHook)" = function ]; then
          runHook shellHook
        elif [ -n "''${shellHook-}" ]; then
          eval "$shellHook"
        fi
        unset NIX_ENFORCE_PURITY
        shopt -u nullglob
        shopt -s execfail
        ${
          if run != null then
            run + "\nexit"
          else if command != null then
            command + "\nexit"
          else
            ""
        }
      '';

      certificates = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
      environment = {
        SSL_CERT_FILE = certificates;
        NIX_SSL_CERT_FILE = certificates;
        HOME = homeDirectory;
        TERM = "xterm-256color";
        NIX_STORE = builtins.storeDir;
        NIX_BUILD_CORES = "1";
        NIX_BUILD_TOP = buildDirectory;
        TMPDIR = buildDirectory;
        TEMPDIR = buildDirectory;
        TMP = buildDirectory;
        TEMP = buildDirectory;
        PATH = "/path-not-set";
      }
      // environmentOf drv;
    in
    if drv.drvAttrs.__structuredAttrs or false then
      arguments.fail function users "drv"
        "${drv.name} has structured attributes, which no environment can carry; give a derivation without __structuredAttrs"
    else if command != null && run != null then
      arguments.fail function users "run"
        "cannot be given beside command: command is for a terminal, run for none"
    else
      {
        inherit name tag;
        contents = [
          binSh
          usrBinEnv
          (fakeNss.override {
            extraPasswdLines = [ "nixbld:x:${owner}:Build user:${homeDirectory}:/noshell" ];
            extraGroupLines = [ "nixbld:!:${toString gid}:" ];
          })
        ];

        # The user may build: store and database are theirs, as in a single-user installation of Nix.
        fakeRootCommands = ''
          mkdir -p ./nix/store ./nix/var/nix ./etc/nix .${buildDirectory}
          chown -R ${owner} ./nix ./etc/nix .${buildDirectory}
        '';

        config = {
          # Without a terminal, the file is the script; with one, what is read before the prompt.
          Cmd = [ shell ] ++ (if run == null then [ "--rcfile" ] else [ ]) ++ [ "${rcFile}" ];
          User = owner;
          WorkingDir = buildDirectory;
          Env = lib.mapAttrsToList (name: value: "${name}=${value}") environment;
        };
      };

  made =
    function: call: users: pattern:
    imageArguments function users (
      builtins.seq (arguments.checked function (builtins.functionArgs call) [ "drv" ] users) pattern
    );

  streamNixShellImage =
    let
      function = "dockerTools.streamNixShellImage";
      call =
        {
          drv ? null,
          name ? drv.name + "-env",
          tag ? null,
          uid ? 1000,
          gid ? 1000,
          homeDirectory ? "/build",
          shell ? "${pkgs.bashInteractive}/bin/bash",
          command ? null,
          run ? null,
          ...
        }@users:
        images.streamOf { inherit function call users; } (
          made function call users {
            inherit
              drv
              name
              tag
              uid
              gid
              homeDirectory
              shell
              command
              run
              ;
          }
        );
    in
    call;

  buildNixShellImage =
    let
      function = "dockerTools.buildNixShellImage";
      call =
        {
          drv ? null,
          name ? drv.name + "-env",
          tag ? null,
          uid ? 1000,
          gid ? 1000,
          homeDirectory ? "/build",
          shell ? "${pkgs.bashInteractive}/bin/bash",
          command ? null,
          run ? null,
          compressor ? "gz",
          ...
        }@users:
        images.archiveOf { inherit function call users; }
          {
            inherit compressor;
            stream = streamNixShellImage (removeAttrs users [ "compressor" ]);
          }
          (
            made function call users {
              inherit
                drv
                name
                tag
                uid
                gid
                homeDirectory
                shell
                command
                run
                ;
            }
          );
    in
    call;
in
{
  inherit buildNixShellImage streamNixShellImage;
}
