# builtins.ociImage: from arguments to derivations.
#
# Applied by the plugin (embedded in it) or by ./default.nix (without it) to `prim`, what this function
# cannot do itself, and then to the user's arguments:
#
#   validate  names: arguments: the arguments, checked; the attributes called `names` are not looked into
#   builder   path of the `gantry` executable, with its string context
#   system    the system that `builder` runs on
#   version   gantry's version: two versions may make different images of the same arguments
#
# Laziness, defaults and derivations are here; checks and bytes are in Rust.
prim:
let
  ociImage =
    userArguments:
    let
      arguments = prim.validate [
        "meta"
        "passthru"
      ]
        userArguments;

      system = arguments.system or prim.system;
      format = arguments.format or "archive";
      mtime = arguments.mtime or "1970-01-01T00:00:01Z";
      includeStorePaths = arguments.includeStorePaths or true;
      passthru = arguments.passthru or { };

      imageName = toLower arguments.name;
      # Store names have 211 characters at most, image names 255.
      baseName = builtins.substring 0 200 (baseNameOf imageName);

      # An architecture that was asked for has no variant unless that was asked for, too.
      platform =
        if arguments ? architecture then
          { inherit (arguments) architecture; }
        else
          platformOf system;

      owner = {
        uid = arguments.uid or 0;
        gid = arguments.gid or 0;
        uname = arguments.uname or "root";
        gname = arguments.gname or "root";
      };

      rootArguments = owner // {
        contents = sources (arguments.contents or [ ]);
        copyToRoot = sources (arguments.copyToRoot or [ ]);
        config = arguments.config or { };
        inherit mtime;
      };

      imageArguments = owner // {
        name = imageName;
        inherit (platform) architecture;
        os = arguments.os or "linux";
        variant = arguments.variant or (platform.variant or null);
        created = arguments.created or "1970-01-01T00:00:01Z";
        inherit mtime includeStorePaths;
        maxLayers = arguments.maxLayers or 100;
        minLayerSize = arguments.minLayerSize or 0;
        layering = arguments.layering or "size";
        compression = arguments.compression or "none";
        compressionLevel = arguments.compressionLevel or null;
        annotations = arguments.annotations or { };
      };

      givenTag = arguments.tag or null;
      imageTag =
        if givenTag != null then
          givenTag
        else
          builtins.substring 0 32 (
            builtins.hashString "sha256" (
              builtins.toJSON {
                inherit (prim) version;
                inherit rootArguments imageArguments;
              }
            )
          );

      task =
        attributes:
        derivation (
          {
            inherit system;
            inherit (prim) builder;
            args = [ "build" ];
            __structuredAttrs = true;
            # The inputs are here, and making a tar of them takes less time than sending them.
            preferLocalBuild = true;
          }
          // attributes
        );

      root = task {
        name = "${baseName}-root";
        gantry = {
          kind = "root";
          arguments = rootArguments;
        };
      };

      image =
        task (
          {
            name = if format == "archive" then "${baseName}.tar" else baseName;
            gantry = {
              kind = "image";
              inherit format;
              root = "${root}";
              arguments = imageArguments // {
                tag = imageTag;
              };
            };
          }
          # What Nix finds in the root layer and the configuration is what the image ships.
          // (if includeStorePaths then { exportReferencesGraph.closure = [ "${root}" ]; } else { })
          # The image holds its closure, so it must not keep it alive as well. An experimental feature in
          # Nix 2.14 to 2.17, unknown (and without effect) before.
          // (
            if newerThan "2.18" || !newerThan "2.14" then { unsafeDiscardReferences.out = true; } else { }
          )
        );
    in
    image
    // {
      inherit imageName imageTag root;
      imageRef = "${imageName}:${imageTag}";
      archive = ociImage (userArguments // { format = "archive"; });
      layout = ociImage (userArguments // { format = "layout"; });
      override =
        new: ociImage (userArguments // (if builtins.isFunction new then new userArguments else new));
      args = userArguments;
      inherit passthru;
      meta = arguments.meta or { };
    }
    // passthru;

  newerThan = version: builtins.compareVersions builtins.nixVersion version >= 0;

  toLower =
    let
      upper = [ "A" "B" "C" "D" "E" "F" "G" "H" "I" "J" "K" "L" "M" "N" "O" "P" "Q" "R" "S" "T" "U" "V" "W" "X" "Y" "Z" ];
      lower = [ "a" "b" "c" "d" "e" "f" "g" "h" "i" "j" "k" "l" "m" "n" "o" "p" "q" "r" "s" "t" "u" "v" "w" "x" "y" "z" ];
    in
    builtins.replaceStrings upper lower;

  # Packages, paths and strings as the builder takes them: a store path and nixpkgs' priority.
  sources =
    items:
    map
      (item: {
        path = "${item}";
        priority = if builtins.isAttrs item then item.meta.priority or 5 else 5;
      })
      (if builtins.isList items then items else [ items ]);

  # GOARCH and GOARM of Nix systems.
  platformOf =
    system:
    let
      cpu = builtins.head (builtins.split "-" system);
    in
      platforms.${cpu} or (
        throw "builtins.ociImage: no architecture is known for the system '${system}'; set architecture"
      );

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
ociImage
