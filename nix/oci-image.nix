# builtins.ociImage: from arguments to derivations.
#
# Applied by the plugin (embedded in it) or by ./default.nix (without it) to `prim`, what this function
# cannot do itself, and then to the user's arguments, which are already checked:
#
#   again     arguments: changes: the image of other arguments; `changes` is a set, or a function of the old ones
#   builder   path of the `gantry` executable, with its string context
#   platformOf  system: its architecture and variant
#   system    the system that `builder` runs on
#   version   gantry's version: two versions may make different images of the same arguments
#
# What keeps the positions of this file out of errors, and does nothing without the plugin:
#
#   withoutPositions  set: the same attributes without positions
#   guard     set: the same attributes without positions; the errors of their values have no frames of this file
#   userCode  value: the same, computed by the user's code, whose frames stay
#
# Laziness, defaults and derivations are here; checks and bytes are in Rust.
prim:
let
  ociImage =
    arguments:
    let
      system = arguments.system or prim.system;
      format = arguments.format or "archive";
      mtime = arguments.mtime or "1970-01-01T00:00:01Z";
      compressor = arguments.compressor or "none";
      includeStorePaths = arguments.includeStorePaths or true;
      includeNixDB = arguments.includeNixDB or false;
      # As in dockerTools, these two say what the image is, whatever the user's passthru says of them.
      passthru = (arguments.passthru or { }) // prim.guard { inherit imageName imageTag; };

      imageName = toLower arguments.name;
      # Store names have 211 characters at most, what is added here and ".drv" among them; image names 255.
      baseName = builtins.substring 0 190 (baseNameOf imageName);

      # An architecture that was asked for has no variant unless that was asked for, too.
      platform =
        if arguments ? architecture then { inherit (arguments) architecture; } else prim.platformOf system;

      owner = {
        uid = arguments.uid or 0;
        gid = arguments.gid or 0;
        uname = arguments.uname or "root";
        gname = arguments.gname or "root";
      };

      # Images as the builder takes them: a store path, whose context makes Nix build or fetch it.
      pathOf = image: if image == null then null else "${image}";
      fromImage = pathOf (arguments.fromImage or null);

      imagePlatform = {
        inherit (platform) architecture;
        os = arguments.os or "linux";
        variant = arguments.variant or (platform.variant or null);
      };

      # What is read of the image below, for those that need it: of several images, one.
      below = if fromImage == null then { } else { inherit fromImage; } // imagePlatform;

      users = arguments.users or { };
      runAsRoot = arguments.runAsRoot or null;

      rootArguments =
        owner
        // {
          contents = sources (arguments.contents or [ ]);
          copyToRoot = sources (arguments.copyToRoot or [ ]);
          keepContentsDirlinks = arguments.keepContentsDirlinks or true;
          directories = arguments.directories or { };
          inherit users;
          perms = arguments.perms or [ ];
          extraCommands = arguments.extraCommands or "";
          fakeRootCommands = arguments.fakeRootCommands or "";
          enableFakechroot = arguments.enableFakechroot or false;
          inherit runAsRoot;
          shell = pathOf (arguments.shell or null);
          path = map pathOf (listOf (arguments.path or [ ]));
          inherit includeNixDB;
          includeCopiedPaths = arguments.includeCopiedPaths or true;
          config = arguments.config or { };
          inherit mtime;
        }
        # Only these two read the image below: without them, another one needs no other root layer.
        // (if runAsRoot != null || users != { } then below else { })
        // (if fromImage != null then { directoryLinks = "${directoryLinks}"; } else { });

      # Of the base alone, so all images on it share them.
      directoryLinks = task {
        name = "directory-links";
        gantry = {
          kind = "directory-links";
          arguments = below;
        };
      };

      compression = {
        compression = arguments.compression or "none";
        compressionLevel = arguments.compressionLevel or null;
      };

      # Each is a set, or the paths alone.
      givenLayers = map (
        layer:
        if builtins.isAttrs layer && !(layer ? outPath || layer ? __toString) then
          layer
        else
          { paths = layer; }
      ) (arguments.layers or [ ]);
      # What the closures of each are exported of.
      layerPaths = map (
        layer: map storePathOf (listOf (layer.paths or [ ]) ++ listOf (layer.copyToRoot or [ ]))
      ) givenLayers;
      # Paths that are no reason for themselves to be in the image, but for what they refer to.
      passedThrough = builtins.concatMap (
        layer: map pathOf (listOf (layer.copyToRoot or [ ]) ++ listOf (layer.ignore or [ ]))
      ) givenLayers;

      # Those that are.
      shippedPaths = builtins.concatMap (
        layer:
        let
          ignored = map pathOf (listOf (layer.ignore or [ ]));
        in
        builtins.filter (path: !builtins.elem path ignored) (map storePathOf (listOf (layer.paths or [ ])))
      ) givenLayers;

      # Each is built on top of those before it, and knows which paths they have.
      layers = builtins.genList (
        i:
        let
          layer = builtins.elemAt givenLayers i;
          copies = layer ? copyToRoot;
        in
        task (
          {
            name = "${baseName}-layer-${toString i}";
            gantry = {
              kind = "layer";
              arguments =
                owner
                // compression
                // below
                // {
                  inherit mtime;
                  paths = map storePathOf (listOf (layer.paths or [ ]));
                  below = builtins.concatMap listOf (builtins.genList (builtins.elemAt layerOutputs) i);
                }
                // (if copies then { copyToRoot = sources layer.copyToRoot; } else { })
                // (if copies && fromImage != null then { directoryLinks = "${directoryLinks}"; } else { })
                // (if layer ? ignore then { ignore = map pathOf (listOf layer.ignore); } else { })
                // builtins.intersectAttrs {
                  perms = null;
                  maxLayers = null;
                  history = null;
                } layer;
            };
            exportReferencesGraph.closure = builtins.elemAt layerPaths i;
          }
          // withoutReferences
        )
      ) (builtins.length givenLayers);

      # What an image takes of each: all of it, or the parts that it was divided into.
      layerOutputs = builtins.genList (
        i:
        let
          output = pathOf (builtins.elemAt layers i);
          count = (builtins.elemAt givenLayers i).maxLayers or 1;
        in
        if count == 1 then output else builtins.genList (part: "${output}/${toString part}") count
      ) (builtins.length givenLayers);

      imageArguments =
        owner
        // compression
        // imagePlatform
        // {
          name = imageName;
          created = arguments.created or "1970-01-01T00:00:01Z";
          inherit mtime includeStorePaths;
          layers = layerOutputs;
          maxLayers = arguments.maxLayers or 100;
          minLayerSize = arguments.minLayerSize or 0;
          layering = arguments.layering or "size";
          annotations = arguments.annotations or { };
          inherit fromImage;
          inheritConfig = arguments.inheritConfig or [ "Env" ];
        };

      # An index of images for several platforms is made of them alone.
      isIndex = (arguments.manifests or null) != null;
      indexArguments = {
        name = imageName;
        manifests = map pathOf arguments.manifests;
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
                arguments = if isIndex then indexArguments else { inherit rootArguments imageArguments; };
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

      # What holds a closure must not keep it alive as well. An experimental feature in Nix 2.14 to 2.17,
      # unknown (and without effect) before.
      withoutReferences =
        if newerThan "2.18" || !newerThan "2.14" then { unsafeDiscardReferences.out = true; } else { };

      root = task {
        name = "${baseName}-root";
        gantry = {
          kind = "root";
          arguments = rootArguments;
        };
      };

      # What Nix is told of the image's store paths, those of explicit layers among them.
      database = task (
        {
          name = "${baseName}-database";
          gantry = {
            kind = "database";
            root = "${root}";
            arguments =
              below
              // {
                inherit mtime;
              }
              // (
                if passedThrough == [ ] then
                  { }
                else
                  {
                    paths = [ "${root}" ] ++ shippedPaths;
                    through = passedThrough;
                  }
              );
          };
          exportReferencesGraph.closure = [ "${root}" ] ++ builtins.concatLists layerPaths;
        }
        // withoutReferences
      );

      image = task (
        {
          name =
            {
              archive = "${baseName}.tar${extensions.${compressor} or ""}";
              stream = "stream-${baseName}";
            }
            .${format} or baseName;
          gantry = {
            inherit format compressor;
          }
          // (
            if isIndex then
              {
                kind = "index";
                arguments = indexArguments // {
                  tag = imageTag;
                };
              }
            else
              {
                kind = "image";
                root = "${root}";
                database = if includeNixDB then "${database}" else null;
                arguments = imageArguments // {
                  tag = imageTag;
                };
              }
          );
        }
        # What Nix finds in the root layer and the configuration is what the image ships.
        // (
          if includeStorePaths && !isIndex then { exportReferencesGraph.closure = [ "${root}" ]; } else { }
        )
        # A stream reads what it writes only when it runs, and a layout links to explicit layers.
        // (
          if format == "stream" || (format == "layout" && !isIndex && layerPaths != [ ]) then
            { }
          else
            withoutReferences
        )
      );

      # Only an archive is compressed as a whole.
      inFormat =
        format:
        prim.again arguments (
          prim.withoutPositions (
            {
              inherit format;
            }
            // (if format != "archive" && arguments ? compressor then { compressor = "none"; } else { })
          )
        );

      # As everybody sees it. A derivation's `out` and `all` lead to itself, and these must lead to the guarded one.
      shown =
        derivation:
        let
          self = prim.guard (
            derivation
            // {
              out = self;
              all = [ self ];
            }
          );
        in
        self;
      out = shown image;
    in
    prim.guard (
      image
      // {
        inherit imageName imageTag out;
        all = [ out ];
        imageRef = "${imageName}:${imageTag}";
        archive = inFormat "archive";
        layout = inFormat "layout";
        stream = inFormat "stream";
        override = prim.again arguments;
      }
      // (if isIndex then { } else { root = shown root; })
      // (if includeNixDB && !isIndex then { database = shown database; } else { })
    )
    // prim.withoutPositions {
      args = arguments;
      inherit passthru;
      meta = arguments.meta or { };
    }
    // passthru;

  # As in dockerTools.
  extensions = {
    gz = ".gz";
    zstd = ".zst";
  };

  newerThan = version: builtins.compareVersions builtins.nixVersion version >= 0;

  toLower =
    let
      upper = [
        "A"
        "B"
        "C"
        "D"
        "E"
        "F"
        "G"
        "H"
        "I"
        "J"
        "K"
        "L"
        "M"
        "N"
        "O"
        "P"
        "Q"
        "R"
        "S"
        "T"
        "U"
        "V"
        "W"
        "X"
        "Y"
        "Z"
      ];
      lower = [
        "a"
        "b"
        "c"
        "d"
        "e"
        "f"
        "g"
        "h"
        "i"
        "j"
        "k"
        "l"
        "m"
        "n"
        "o"
        "p"
        "q"
        "r"
        "s"
        "t"
        "u"
        "v"
        "w"
        "x"
        "y"
        "z"
      ];
    in
    builtins.replaceStrings upper lower;

  # Packages, paths and strings as the builder takes them: a store path and nixpkgs' priority.
  sources =
    items:
    map (item: {
      path = "${item}";
      priority = prim.userCode (item.meta.priority or 5);
    }) (listOf items);

  listOf = items: if builtins.isList items then items else [ items ];

  # The store path that an item is or lies in, which is what Nix exports the closure of.
  storePathOf =
    item:
    let
      path = "${item}";
      prefix = builtins.stringLength "${builtins.storeDir}/";
      name = builtins.head (builtins.split "/" (builtins.substring prefix (-1) path));
    in
    builtins.substring 0 (prefix + builtins.stringLength name) path;
in
ociImage
