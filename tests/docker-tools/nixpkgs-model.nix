# What nixpkgs' dockerTools say while they are evaluated, of which nothing can be built: arguments and defaults,
# what is refused, and the attributes of results. ./compare sets it against nix/docker-tools.nix where there is no
# nixpkgs; that it says what nixpkgs says is found out with the same program.
#
# The values are used as nixpkgs uses them, because that decides which ones it takes: in a derivation's environment
# (null and lists in lists are taken, sets are not), in a string (null is not taken), or as JSON (all is taken).
# It is long because formatted lists of arguments are.
{ pkgs }:
let
  inherit (pkgs.lib) toLower;
  inherit (builtins)
    baseNameOf
    concatStringsSep
    head
    isFunction
    isList
    removeAttrs
    substring
    toJSON
    unsafeDiscardStringContext
    ;

  architecture = if pkgs.stdenv.hostPlatform.system == "aarch64-linux" then "arm64" else "amd64";

  # --- What stdenv makes

  stdenvDerivation = import ./stdenv-model.nix { inherit pkgs; };

  # A derivation that is run in a virtual machine cannot be changed.
  machineDerivation =
    attributes:
    removeAttrs
      (stdenvDerivation (
        attributes
        // {
          QEMU_OPTS = "";
          origArgs = [ ];
          origBuilder = "";
          requiredSystemFeatures = [ "kvm" ];
        }
      ))
      [
        "overrideAttrs"
        "inputDerivation"
      ];

  overridable =
    function:
    withArguments (builtins.functionArgs function) (
      arguments:
      let
        result = function arguments;
        changed = new: arguments // (if isFunction new then new arguments else new);
      in
      result
      // {
        override = new: overridable function (changed new);
        overrideAttrs = new: overridable (more: (function more).overrideAttrs new) arguments;
        overrideDerivation =
          new: overridable (more: (function more).overrideAttrs (_: new result)) arguments;
      }
    );
  withArguments = __functionArgs: function: {
    inherit __functionArgs;
    __functor = _: function;
  };

  # --- What the functions have in common

  ends = {
    none = "";
    gz = ".gz";
    zstd = ".zst";
  };
  end =
    compressor: name:
    ends.${compressor} or (throw "in docker image ${name}: compressor must be one of: none gz zstd");

  automaticTag = drv: substring 0 32 (baseNameOf (unsafeDiscardStringContext drv.outPath));

  # What is linked together: nulls are left out, lists may be in lists.
  joined = map (
    item:
    if item == null then
      null
    else if isList item then
      joined item
    else
      "${item}"
  );

  # The database registers contents by their paths, in a script.
  databaseScript =
    contents: "load ${concatStringsSep " " (if isList contents then contents else [ contents ])}\n";

  # --- The functions

  buildImage = overridable (
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
      diskSize ? 1024,
      buildVMMemorySize ? 512,
      created ? "1970-01-01T00:00:01Z",
      compressor ? "gz",
      includeNixDB ? false,
      contents ? null,
      meta ? { },
    }@args:
    let
      root = if copyToRoot == null then contents else copyToRoot;
      roots = if isList root then root else [ root ];
      base = baseNameOf name;
      baseJson = toJSON { inherit created config architecture; };
      commands = if includeNixDB then databaseScript root + extraCommands else extraCommands;
      links = if keepContentsDirlinks then "K" else "k";

      pureLayer = stdenvDerivation {
        name = "docker-layer-${base}";
        inherit baseJson;
        extraCommands = commands;
        contents = root;
        args = [ "${links} ${toString uid} ${toString gid}" ];
      };
      rootLayer = machineDerivation {
        name = "docker-layer-${base}";
        inherit fromImage fromImageName fromImageTag;
        memSize = buildVMMemorySize;
        preVM = "size ${toString diskSize}";
        args = [
          (
            if root == null || root == [ ] then
              ""
            else
              links + concatStringsSep " " (map (item: "${item}") roots)
          )
          "${runAsRoot}"
          "${commands}"
          baseJson
        ];
      };
      layer = if runAsRoot == null then pureLayer else rootLayer;

      image = stdenvDerivation {
        name = "docker-image-${base}.tar${end compressor name}";
        imageName = toLower name;
        imageTag = if tag == null then "" else tag;
        inherit fromImage baseJson meta;
        layerClosure = layer;
        passthru = {
          buildArgs = args;
          inherit layer;
          imageTag = if tag == null then automaticTag image else tag;
        };
      };
    in
    if contents != null && copyToRoot != null then
      throw "in docker image ${name}: You can not specify both contents and copyToRoot."
    else
      image
  );
  defaultArchitecture = architecture;

  streamLayeredImage = overridable (
    {
      name,
      tag ? null,
      fromImage ? null,
      contents ? [ ],
      config ? { },
      architecture ? defaultArchitecture,
      created ? "1970-01-01T00:00:01Z",
      mtime ? "1970-01-01T00:00:01Z",
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
      passthru ? { },
      meta ? { },
      layeringPipeline ? null,
      debug ? false,
    }:
    let
      base = baseNameOf name;
      customisation = stdenvDerivation {
        name = "${base}-customisation-layer";
        paths = joined (if isList contents then contents else [ contents ]);
        extraCommands = (if includeNixDB then databaseScript contents else "") + extraCommands;
        inherit fakeRootCommands;
        args = [ (if enableFakechroot then "proot" else "fakeroot") ];
      };
      layers = stdenvDerivation {
        name = "layers.json";
        graph = if includeStorePaths then [ customisation ] else [ ];
        args = [
          (if debug then "DEBUG" else "")
          (toJSON layeringPipeline)
          (toJSON maxLayers)
        ];
      };
      conf = stdenvDerivation {
        name = "${base}-conf.json";
        imageName = toLower name;
        inherit
          fromImage
          created
          mtime
          uid
          gid
          uname
          gname
          ;
        layersJsonFile = layers;
        preferLocalBuild = true;
        args = [
          customisation
          (if tag == null then "" else "${tag}")
          (if fromImage == null then "" else "${fromImage}")
          (toJSON { inherit config architecture; })
        ];
        passthru.imageTag = if tag == null then automaticTag conf else tag;
      };
      streamScript = pkgs.writeScript "stream" "";
    in
    if layeringPipeline == null && !(maxLayers > 1) then
      throw "the maxLayers argument of dockerTools.buildLayeredImage function must be greater than 1"
    else
      assert enableFakechroot -> true;
      stdenvDerivation {
        name = "stream-${base}";
        inherit conf streamScript meta;
        inherit (conf) imageName;
        preferLocalBuild = true;
        passthru = passthru // {
          inherit (conf) imageTag;
          inherit conf streamScript;
          isExe = true;
        };
      }
  );

  buildLayeredImage = overridable (
    {
      name,
      compressor ? "gz",
      meta ? { },
      ...
    }@args:
    let
      stream = streamLayeredImage (
        removeAttrs args [
          "compressor"
          "meta"
        ]
      );
    in
    stdenvDerivation {
      name = "${baseNameOf name}.tar${end compressor name}";
      inherit (stream) imageName;
      inherit meta;
      args = [ "${stream}" ];
      passthru = stream.passthru // {
        inherit (stream) imageTag;
        inherit stream;
      };
    }
  );

  streamNixShellImage =
    {
      drv,
      name ? drv.name + "-env",
      tag ? null,
      uid ? 1000,
      gid ? 1000,
      homeDirectory ? "/build",
      shell ? "${pkgs.bash}/bin/bash",
      command ? null,
      run ? null,
    }:
    if drv.drvAttrs.__structuredAttrs or false then
      throw "streamNixShellImage: Does not work with the derivation ${drv.name} because it uses __structuredAttrs"
    else if command != null && run != null then
      throw "streamNixShellImage: Can't specify both command and run"
    else
      streamLayeredImage {
        inherit name tag;
        config = {
          Cmd = [
            shell
            (if command == null then "" else "${command}")
            (if run == null then "" else "${run}")
          ];
          User = "${toString uid}:${toString gid}";
          Env = [
            "HOME=${homeDirectory}"
            "PATH=${dirOf shell}"
          ];
        };
      };

  buildNixShellImage =
    {
      drv,
      compressor ? "gz",
      ...
    }@args:
    let
      stream = streamNixShellImage (removeAttrs args [ "compressor" ]);
    in
    stdenvDerivation {
      name = "${drv.name}-env.tar${end compressor drv.name}";
      inherit (stream) imageName;
      args = [ "${stream}" ];
      passthru = { inherit (stream) imageTag; };
    };

  # A hash is one of `hash`, `sha256`, and `outputHash` with `outputHashAlgo`.
  pullImage =
    let
      pulled =
        {
          imageName,
          imageDigest,
          outputHash,
          outputHashAlgo,
          os ? "linux",
          arch ? defaultArchitecture,
          finalImageName ? imageName,
          finalImageTag ? "latest",
          tlsVerify ? true,
          name ?
            builtins.replaceStrings [ "/" ":" ] [ "-" "-" ]
              "docker-image-${finalImageName}-${finalImageTag}.tar",
        }:
        stdenvDerivation {
          inherit
            name
            imageDigest
            outputHash
            outputHashAlgo
            ;
          imageName = finalImageName;
          imageTag = finalImageTag;
          impureEnvVars = [ ];
          outputHashMode = "flat";
          SSL_CERT_FILE = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
          sourceURL = "docker://${imageName}@${imageDigest}";
          destNameTag = "${finalImageName}:${finalImageTag}";
          args = [ "${os} ${arch} ${if tlsVerify then "true" else "false"}" ];
        };
      hashes = {
        hash = "";
        sha256 = "sha256";
      };
      given = args: builtins.filter (name: args ? ${name}) (builtins.attrNames hashes);
      normal =
        args:
        if args ? outputHash then
          args
        else if given args == [ ] then
          throw "fetcher called without `hash`"
        else
          removeAttrs args (builtins.attrNames hashes)
          // {
            outputHash = args.${head (given args)};
            outputHashAlgo = hashes.${head (given args)};
          };
      known = removeAttrs (builtins.functionArgs pulled) [
        "outputHash"
        "outputHashAlgo"
      ];
    in
    withArguments (known // { hash = false; }) (args: pulled (normal args));

  exportImage =
    {
      name ? fromImage.name,
      fromImage,
      fromImageName ? null,
      fromImageTag ? null,
      diskSize ? 1024,
    }:
    machineDerivation {
      inherit
        name
        fromImage
        fromImageName
        fromImageTag
        ;
      memSize = 512;
      preVM = "size ${toString diskSize}";
    };

  mergeImages =
    images:
    stdenvDerivation {
      name = "merge-docker-images";
      inherit images;
    };

  mergeDrvs =
    {
      derivations,
      onlyDeps ? false,
    }:
    stdenvDerivation {
      name = "merge-drvs";
      inherit derivations onlyDeps;
    };

  fakeNss = overridable (
    {
      extraPasswdLines ? [ ],
      extraGroupLines ? [ ],
    }:
    stdenvDerivation {
      name = "fake-nss";
      paths = map (line: line + "\n") (extraPasswdLines ++ extraGroupLines);
      preferLocalBuild = true;
      allowSubstitutes = false;
    }
  ) { };

  file = name: stdenvDerivation { inherit name; };

  buildImageWithNixDb = args: buildImage (args // { includeNixDB = true; });
  buildLayeredImageWithNixDb = args: buildLayeredImage (args // { includeNixDB = true; });

  # --- The set, whose arguments are the packages that it uses

  dockerTools = {
    inherit
      buildImage
      buildImageWithNixDb
      buildLayeredImage
      buildLayeredImageWithNixDb
      streamLayeredImage
      buildNixShellImage
      streamNixShellImage
      pullImage
      exportImage
      mergeImages
      mergeDrvs
      fakeNss
      ;
    shellScript = pkgs.writeScript;
    shadowSetup = "";
    binSh = file "bin-sh";
    usrBinEnv = file "usr-bin-env";
    caCertificates = file "ca-certificates";
    tarsum = file "tarsum";
    inherit (internals) mkPureLayer mkRootLayer runWithOverlay;
    tests = { };
    examples = import ./examples-model.nix {
      inherit
        pkgs
        file
        buildImage
        buildImageWithNixDb
        buildLayeredImage
        ;
    };
    override =
      new:
      assert known (if isFunction new then new packages else new);
      dockerTools;
    overrideDerivation = _: dockerTools;
  };
  # Parts of buildImage, of which the arguments alone are of interest.
  internals =
    let
      function =
        required: optional:
        withArguments (builtins.listToAttrs (
          map (name: {
            inherit name;
            value = builtins.elem name optional;
          }) (required ++ optional)
        )) (_: file "layer");
      base = [
        "fromImage"
        "fromImageName"
        "fromImageTag"
        "diskSize"
        "buildVMMemorySize"
      ];
      contents = [
        "copyToRoot"
        "keepContentsDirlinks"
        "extraCommands"
      ];
    in
    {
      mkPureLayer = function [ "name" "baseJson" ] (
        contents
        ++ [
          "uid"
          "gid"
        ]
      );
      mkRootLayer = function [ "name" "baseJson" "runAsRoot" ] (contents ++ base);
      runWithOverlay = function [ "name" ] (
        base
        ++ [
          "preMount"
          "postMount"
          "postUmount"
        ]
      );
    };
  packages = builtins.listToAttrs (
    map
      (name: {
        inherit name;
        value = null;
      })
      [
        "bash"
        "buildPackages"
        "cacert"
        "coreutils"
        "jq"
        "nix"
        "pigz"
        "rsync"
        "shadow"
        "skopeo"
        "stdenv"
        "storeDir"
        "tarsum"
        "util-linux"
        "vmTools"
        "writePython3"
        "zstd"
      ]
  );
  known = new: removeAttrs new (builtins.attrNames packages) == { };
in
dockerTools
