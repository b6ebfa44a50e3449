# What goes in place of pkgs.dockerTools: the same functions, arguments and attributes, made with Gantry.
#
#   dockerTools = import gantry/nix/docker-tools.nix { inherit pkgs; gantry = packages.x86_64-linux.gantry.builder; };
#
# `gantry` is the package with bin/gantry in it. With the plugin its builtins are used, else ./default.nix.
# docs/migrating.md says what differs. What cannot be kept is an error here that says what to write instead.
#
# This file knows nixpkgs; what makes images does not. Nothing in it is run, but shells that users' scripts need.
{ pkgs, gantry }:
let
  inherit (pkgs) lib;
  inherit (pkgs.stdenv) hostPlatform;

  inherit (if builtins ? ociImage then builtins else import ./default.nix { inherit gantry; })
    ociImage
    pullImage
    ;

  defaultArchitecture =
    hostPlatform.go.GOARCH or (import ./platforms.nix hostPlatform.system).architecture;
  epoch = "1970-01-01T00:00:01Z";

  # --- What the functions have in common

  toList =
    value:
    if value == null then
      [ ]
    else if builtins.isList value then
      value
    else
      [ value ];

  # Items with priorities of their own (the lowest wins) in place of nixpkgs' `meta.priority`, which dockerTools
  # does not look at: the order in the list decides.
  prioritized =
    priorityOf: items:
    lib.imap0 (index: item: {
      outPath = "${item}";
      meta.priority = priorityOf index;
    }) (toList items);
  firstWins = prioritized (index: index);
  lastWins = prioritized (index: 0 - index);

  compressors = [
    "none"
    "gz"
    "zstd"
  ];
  checkedCompressor =
    function: compressor:
    if builtins.elem compressor compressors then
      compressor
    else
      throw "dockerTools.${function}: compressor: found ${builtins.toJSON compressor}, accepted: ${builtins.concatStringsSep ", " (map builtins.toJSON compressors)}";

  # The scripts among the arguments, with what runs them; nothing where there is none, so that an image
  # without scripts does not depend on a shell.
  scripts =
    {
      runAsRoot ? null,
      extraCommands ? "",
      fakeRootCommands ? "",
      enableFakechroot ? false,
    }:
    let
      # As in stdenv's builder, in `bash -e`, and in shellScript.
      given =
        (if (runAsRoot != null) then { runAsRoot = "set -e\n${runAsRoot}"; } else { })
        // (if extraCommands != "" then { extraCommands = "set -eo pipefail\n${extraCommands}"; } else { })
        // (
          if fakeRootCommands != "" then
            {
              fakeRootCommands = "set -e\n${fakeRootCommands}";
              inherit enableFakechroot;
            }
          else
            { }
        );
    in
    if given == { } then
      { }
    else
      given
      // {
        inherit (pkgs.stdenv) shell;
        path = pkgs.stdenv.initialPath;
      };

  # An archive of several images is none to build on; those that mergeImages made here are known.
  chosenImage =
    function: fromImage: name: tag:
    let
      images = fromImage.mergedImages;
      wanted = builtins.filter (
        image: image.imageName or null == lib.toLower name && image.imageTag or null == tag
      ) images;
    in
    if name == null || tag == null || !(fromImage ? mergedImages) then
      fromImage
    else if wanted == [ ] then
      throw "dockerTools.${function}: fromImageName, fromImageTag: ${name}:${tag} is not among the merged images: ${
        builtins.concatStringsSep ", " (map (image: image.imageRef or "${image}") images)
      }; write that image itself as fromImage"
    else
      builtins.head wanted;

  # What only derivations of stdenv have.
  withoutAttrs = function: {
    overrideAttrs =
      _:
      throw "dockerTools.${function}: there is no overrideAttrs, because no stdenv makes the image; change its arguments: .override { ... }";
  };

  internal =
    name: instead:
    throw "dockerTools.${name} is an internal of nixpkgs that has no counterpart in Gantry; ${instead}";

  # --- Images in one layer and a root layer

  buildImage = lib.makeOverridable (
    {
      name,
      tag ? null,
      fromImage ? null,
      fromImageName ? null,
      fromImageTag ? null,
      copyToRoot ? null,
      keepContentsDirlinks ? false,
      config ? null,
      architecture ? defaultArchitecture,
      extraCommands ? "",
      uid ? 0,
      gid ? 0,
      runAsRoot ? null,
      # Of the virtual machine that is none here.
      diskSize ? 1024,
      buildVMMemorySize ? 512,
      created ? epoch,
      compressor ? "gz",
      includeNixDB ? false,
      meta ? { },
      # The name that copyToRoot had before nixpkgs 22.11.
      contents ? null,
    }@args:
    let
      root =
        if contents == null then
          copyToRoot
        else if copyToRoot != null then
          throw "dockerTools.buildImage: contents: an old name of copyToRoot, which is given, too; write all in copyToRoot"
        else
          lib.warn "dockerTools.buildImage: contents: an old name of copyToRoot; write copyToRoot (image ${name})" contents;

      # Of the contents alone, and only where no script made them as root: store paths stay root's.
      owned = (uid != 0 || gid != 0) && runAsRoot == null && (toList root != [ ] || extraCommands != "");

      image = ociImage (
        {
          inherit
            name
            tag
            keepContentsDirlinks
            architecture
            created
            includeNixDB
            meta
            ;
          copyToRoot = lastWins root;
          fromImage = chosenImage "buildImage" fromImage fromImageName fromImageTag;
          config = if config == null then { } else config;
          compressor = checkedCompressor "buildImage" compressor;
          layering = "single";
          # A base of any size gets its two layers.
          maxLayers = 127;
          passthru = withoutAttrs "buildImage" // {
            buildArgs = args;
            layer = image.root;
          };
        }
        // scripts { inherit runAsRoot extraCommands; }
        // (
          if owned then
            {
              perms = [
                {
                  path = "/**";
                  inherit uid gid;
                  uname = "";
                  gname = "";
                }
              ];
            }
          else
            { }
        )
      );
    in
    image
  );

  # --- Images in many layers

  layeredArguments =
    {
      name,
      tag ? null,
      fromImage ? null,
      contents ? [ ],
      config ? { },
      architecture ? defaultArchitecture,
      created ? epoch,
      mtime ? epoch,
      uid ? 0,
      gid ? 0,
      uname ? "root",
      gname ? "root",
      maxLayers ? 100,
      extraCommands ? "",
      fakeRootCommands ? "",
      enableFakechroot ? false,
      includeStorePaths ? true,
      includeNixDB ? false,
      layeringPipeline ? null,
      debug ? false,
      meta ? { },
      passthru ? { },
    }:
    {
      inherit
        name
        tag
        fromImage
        architecture
        created
        mtime
        uid
        gid
        uname
        gname
        includeStorePaths
        includeNixDB
        meta
        ;
      contents = firstWins contents;
      config = if config == null then { } else config;
    }
    // scripts { inherit extraCommands fakeRootCommands enableFakechroot; }
    // (
      if layeringPipeline == null then
        {
          maxLayers =
            if maxLayers > 1 then
              maxLayers
            else
              throw "dockerTools.buildLayeredImage, streamLayeredImage: maxLayers: found ${toString maxLayers}, accepted: more than 1, because the root layer is one; for everything in one layer write ociImage { maxLayers = 1; ... }";
        }
      else
        {
          layering =
            if builtins.isList layeringPipeline then
              layeringPipeline
            else
              builtins.fromJSON (builtins.readFile "${layeringPipeline}");
          # The pipeline alone says how many layers there are.
          maxLayers = 127;
        }
    );

  # Both take the same arguments, but for the compressor.
  layeredImage =
    function: args: more:
    let
      arguments = layeredArguments args;
    in
    ociImage (
      arguments
      // more
      // {
        passthru = withoutAttrs function // (args.passthru or { }) // more.passthru;
      }
    );

  streamLayeredImage = lib.makeOverridable (
    args:
    let
      image = layeredImage "streamLayeredImage" args {
        format = "stream";
        passthru = {
          isExe = true;
          # `$streamScript $conf` writes the archive, as with nixpkgs: here it is the second that knows how.
          conf = image;
          streamScript = pkgs.writeScript "stream" ''
            #!${pkgs.runtimeShell}
            exec "$@"
          '';
        };
      };
    in
    image
  );

  buildLayeredImage = lib.makeOverridable (
    {
      compressor ? "gz",
      ...
    }@args:
    let
      arguments = builtins.removeAttrs args [ "compressor" ];
      stream = streamLayeredImage arguments;
    in
    layeredImage "buildLayeredImage" arguments {
      compressor = checkedCompressor "buildLayeredImage" compressor;
      passthru = {
        inherit stream;
        inherit (stream) conf streamScript;
        # nixpkgs says true here, though an archive is none.
        isExe = false;
      };
    }
  );

  # --- Images from images

  # nixpkgs says here what the image is called in the archive, not where it came from.
  pullImageAs =
    args:
    pullImage (
      {
        arch = defaultArchitecture;
      }
      // args
      // {
        passthru = (args.passthru or { }) // {
          imageName = args.finalImageName or args.imageName;
        };
      }
    );

  task =
    name: gantryTask:
    derivation {
      inherit name;
      inherit (gantry) system;
      builder = "${gantry}/bin/gantry";
      args = [ "build" ];
      __structuredAttrs = true;
      preferLocalBuild = true;
      gantry = gantryTask;
    };

  exportImage =
    {
      fromImage,
      fromImageName ? null,
      fromImageTag ? null,
      diskSize ? 1024,
      name ? fromImage.name,
    }:
    task name {
      kind = "export";
      image = "${chosenImage "exportImage" fromImage fromImageName fromImageTag}";
    };

  mergeImages =
    images:
    let
      last = baseNameOf "${lib.last images}";
      ends = builtins.any (suffix: lib.hasSuffix suffix last);
      compressor =
        if
          ends [
            ".gz"
            ".tgz"
          ]
        then
          "gz"
        else if ends [ ".zst" ] then
          "zstd"
        else
          "none";
      archive =
        image:
        # nixpkgs calls archives executable, too.
        if image.isExe or false && builtins.match ".*[.]tar([.]gz|[.]zst)?" image.name == null then
          throw "dockerTools.mergeImages: ${image.name} is made by streamLayeredImage, and a stream cannot be merged; use buildLayeredImage with the same arguments"
        else
          "${image}";
    in
    if images == [ ] then
      throw "dockerTools.mergeImages: found an empty list, accepted: one image or more"
    else
      task
        "merge-docker-images.tar${
          {
            gz = ".gz";
            zstd = ".zst";
            none = "";
          }
          .${compressor}
        }"
        {
          kind = "merge";
          images = map archive images;
          inherit compressor;
        }
      // {
        # For fromImageName and fromImageTag.
        mergedImages = builtins.concatMap (image: image.mergedImages or [ image ]) images;
      };

  # --- Images of a development shell

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

  nixShellArguments =
    {
      drv,
      name ? drv.name + "-env",
      tag ? null,
      uid ? 1000,
      gid ? 1000,
      homeDirectory ? "/build",
      shell ? "${pkgs.bashInteractive}/bin/bash",
      command ? null,
      run ? null,
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
      throw "dockerTools.streamNixShellImage: drv: ${drv.name} has structured attributes, which no environment can carry; give a derivation without __structuredAttrs"
    else if command != null && run != null then
      throw "dockerTools.streamNixShellImage: run: cannot be given beside command: command is for a terminal, run for none"
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

  streamNixShellImage = args: streamLayeredImage (nixShellArguments args);

  buildNixShellImage =
    {
      compressor ? "gz",
      ...
    }@args:
    buildLayeredImage (
      nixShellArguments (builtins.removeAttrs args [ "compressor" ]) // { inherit compressor; }
    );

  # --- Files and scripts for images

  shellScript =
    name: text:
    pkgs.writeScript name ''
      #!${pkgs.runtimeShell}
      set -e
      export PATH=${pkgs.coreutils}/bin:/bin
      ${text}
    '';

  # For runAsRoot, or fakeRootCommands with enableFakechroot: what useradd and groupadd need to find.
  shadowSetup = ''
    export PATH=${pkgs.shadow}/bin:$PATH
    mkdir -p /etc/pam.d
    [ -e /etc/passwd ] || {
      echo 'root:x:0:0::/root:${pkgs.runtimeShell}' > /etc/passwd
      echo 'root:!x:::::::' > /etc/shadow
    }
    [ -e /etc/group ] || {
      echo 'root:x:0:' > /etc/group
      echo 'root:x::' > /etc/gshadow
    }
    [ -e /etc/pam.d/other ] ||
      printf '%s\n' 'account sufficient pam_unix.so' 'auth sufficient pam_rootok.so' \
        'password requisite pam_unix.so nullok yescrypt' 'session required pam_unix.so' > /etc/pam.d/other
    [ -e /etc/login.defs ] || : > /etc/login.defs
  '';

  usrBinEnv = pkgs.runCommand "usr-bin-env" { } ''
    mkdir -p $out/usr/bin
    ln -s ${pkgs.coreutils}/bin/env $out/usr/bin/env
  '';

  binSh = pkgs.runCommand "bin-sh" { } ''
    mkdir -p $out/bin
    ln -s ${pkgs.bashInteractive}/bin/bash $out/bin/sh
  '';

  # Where Debian and Fedora have them.
  caCertificates = pkgs.runCommand "ca-certificates" { } ''
    mkdir -p $out/etc/ssl/certs $out/etc/pki/tls/certs
    for file in ssl/certs/ca-bundle.crt ssl/certs/ca-certificates.crt pki/tls/certs/ca-bundle.crt; do
      ln -s ${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt $out/etc/$file
    done
  '';

  fakeNss = lib.makeOverridable (
    {
      extraPasswdLines ? [ ],
      extraGroupLines ? [ ],
    }:
    pkgs.runCommand "fake-nss"
      {
        passwd = lines (
          [
            "root:x:0:0:root user:/var/empty:/bin/sh"
          ]
          ++ extraPasswdLines
          ++ [
            "nobody:x:65534:65534:nobody:/var/empty:/bin/sh"
          ]
        );
        group = lines ([ "root:x:0:" ] ++ extraGroupLines ++ [ "nobody:x:65534:" ]);
      }
      ''
        mkdir -p $out/etc $out/var/empty
        printf %s "$passwd" > $out/etc/passwd
        printf %s "$group" > $out/etc/group
        echo 'hosts: files dns' > $out/etc/nsswitch.conf
      ''
  ) { };
  lines = builtins.foldl' (text: line: "${text}${line}\n") "";

  mergeDrvs =
    {
      derivations,
      onlyDeps ? false,
    }:
    pkgs.runCommand "merge-drvs" { inherit derivations; } (
      if onlyDeps then
        ''
          echo $derivations > $out
        ''
      else
        ''
          mkdir $out
          for item in $derivations; do
            if [ -d "$item" ]; then item=$item/.; fi
            cp -drf "$item" $out/
            chmod -R u+w $out
          done
        ''
    );

  dockerTools = {
    inherit
      buildImage
      buildLayeredImage
      streamLayeredImage
      exportImage
      mergeImages
      buildNixShellImage
      streamNixShellImage
      shadowSetup
      shellScript
      usrBinEnv
      binSh
      caCertificates
      fakeNss
      mergeDrvs
      ;
    pullImage = pullImageAs;

    buildImageWithNixDb = args: buildImage (args // { includeNixDB = true; });
    buildLayeredImageWithNixDb = args: buildLayeredImage (args // { includeNixDB = true; });

    examples = import ./examples.nix { inherit pkgs gantry dockerTools; };

    mkPureLayer = internal "mkPureLayer" "write buildImage, whose .layer is the root layer";
    mkRootLayer = internal "mkRootLayer" "write buildImage with runAsRoot";
    runWithOverlay = internal "runWithOverlay" "there is no virtual machine; write buildImage with runAsRoot";
    tarsum = internal "tarsum" "no image has needed it since Docker 1.10";
  };
in
dockerTools
