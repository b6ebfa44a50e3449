# buildImage and buildLayer.
{
  pkgs,
  lib,
  ociImage,
  arguments,
  config,
  result,
  defaultArchitecture,
}:
let
  inherit (arguments) numberOf orElse toList;
  copyTo = import ./copy-to.nix { inherit pkgs lib; };

  # Without priorities, which nix2container does not look at: files of two packages under one name are an error there.
  pathsOf = value: map (path: "${path}") (toList value);

  without = left: right: builtins.filter (path: !builtins.elem path right) left;

  # The most layers that clients mount.
  most = 127;
  # 0 is a layer for each path.
  layersOf =
    maxLayers: if numberOf maxLayers < 1 || numberOf maxLayers > most then most else numberOf maxLayers;

  # The argument copyToRoot, which had another name.
  copiedOf =
    function: users:
    {
      copyToRoot ? null,
      contents ? null,
      ...
    }:
    pathsOf (
      if contents == null then
        copyToRoot
      else if copyToRoot != null then
        arguments.fail function users "contents"
          "an old name of copyToRoot, which is given, too; write all in copyToRoot"
      else
        arguments.warn function users "" "contents" "an old name of copyToRoot; write copyToRoot" contents
    );

  # `attributes` of a set, under other names, as far as they are there and say something.
  renamed =
    names: set:
    lib.filterAttrs (_: value: value != null && value != "") (
      builtins.mapAttrs (_: name: set.${name} or null) names
    );

  # Rules as builtins.ociImage has them. An owner that is not given is root.
  permsOf =
    function: users: perms:
    let
      accepted = [
        "path"
        "regex"
        "mode"
        "uid"
        "gid"
        "uname"
        "gname"
      ];
      ruleOf =
        rule:
        let
          # Go reads keys in any case.
          given = lib.mapAttrs' (name: value: {
            name = lib.toLower name;
            inherit value;
          }) rule;
          unknown = without (builtins.attrNames given) accepted;
        in
        if !(given ? path) then
          arguments.fail function users "perms" "a rule without path, which is a store path"
        else if builtins.match "${builtins.storeDir}/[^/]+" "${given.path}" == null then
          arguments.warn function users "" "perms"
            "left out, because ${given.path} is not a store path; write the part below it in regex"
            null
        else
          (
            if unknown == [ ] then
              value: value
            else
              arguments.warn function rule "perms." (builtins.head unknown)
                "left out; accepted: ${builtins.concatStringsSep ", " accepted}"
          )
            (
              {
                source = "${given.path}";
                regex = orElse "" (given.regex or null);
                uid = orElse 0 (given.uid or null);
                gid = orElse 0 (given.gid or null);
              }
              // renamed {
                mode = "mode";
                uname = "uname";
                gname = "gname";
              } given
            );
    in
    builtins.filter (rule: rule != null) (map ruleOf (toList perms));

  # Layers and those that they were built on, each once, those further down first.
  withParents =
    function: users: layers:
    let
      checked = map (
        layer:
        if builtins.isAttrs layer && layer ? nestedLayers && layer ? ownLayers then
          layer
        else
          arguments.fail function users "layers"
            "found ${
              if builtins.isAttrs layer then "a set that buildLayer did not make" else builtins.typeOf layer
            }, accepted: results of nix2container.buildLayer"
      ) (toList layers);
      add =
        { seen, found }@all:
        layer:
        if seen ? ${layer.layerKey} then
          all
        else
          {
            seen = seen // {
              ${layer.layerKey} = null;
            };
            found = found ++ [ layer ];
          };
    in
    (builtins.foldl' add {
      seen = { };
      found = [ ];
    } (builtins.concatMap (layer: layer.nestedLayers) checked ++ checked)).found;

  # `copied` and `perms` without the paths that a layer further down has in the same place with the same rules.
  addedTo =
    below: copied: perms:
    let
      rulesOf = path: builtins.filter (rule: rule.source == path);
      isThere =
        path:
        builtins.any (
          layer: builtins.elem path layer.copyToRoot && rulesOf path layer.perms == rulesOf path perms
        ) below;
      there = builtins.filter isThere copied;
    in
    {
      copyToRoot = without copied there;
      perms = builtins.filter (rule: !builtins.elem rule.source there) perms;
    };

  buildLayer =
    let
      function = "nix2container.buildLayer";
      call =
        {
          deps ? [ ],
          copyToRoot ? null,
          ignore ? null,
          layers ? [ ],
          # Layers are always kept as they were made.
          reproducible ? true,
          perms ? [ ],
          maxLayers ? 1,
          contents ? null,
          metadata ? {
            created_by = "nix2container";
          },
          ...
        }@users:
        let
          copied = copiedOf function users users;
          # Moved, though it is a dependency, too.
          paths = without (pathsOf deps) copied;
          nestedLayers = withParents function users layers;
          below = builtins.concatMap (layer: layer.ownLayers) nestedLayers;
          added = addedTo below copied (permsOf function users perms);
          ownLayers =
            if paths == [ ] && added.copyToRoot == [ ] then
              [ ]
            else
              [
                {
                  inherit paths;
                  inherit (added) copyToRoot perms;
                  ignore = pathsOf ignore;
                  maxLayers = layersOf maxLayers;
                  history = historyOf function metadata;
                }
              ];
          # To be built by itself: an image of this layer and those below it.
          image = ociImage (
            arguments.callerOf function users { }
            // {
              name = "layer";
              format = "layout";
              layers = below ++ ownLayers;
              maxLayers = most;
              architecture = defaultArchitecture;
              passthru = {
                inherit nestedLayers ownLayers;
                layerKey = builtins.hashString "sha256" (
                  builtins.unsafeDiscardStringContext (builtins.toJSON ownLayers)
                );
              };
            }
          );
        in
        result.overridable { inherit function call users; } (
          builtins.seq (arguments.checked function (builtins.functionArgs call) [ ] users) image
        );
    in
    call;

  # What the history says of a layer, which Go reads with keys in any case.
  historyOf =
    function: metadata:
    let
      given = lib.mapAttrs' (name: value: {
        name = lib.toLower name;
        inherit value;
      }) metadata;
      known = {
        createdBy = "created_by";
        author = "author";
        comment = "comment";
      };
      unknown = without (builtins.attrNames given) (builtins.attrValues known);
    in
    (
      if unknown == [ ] then
        value: value
      else
        arguments.warn function metadata "metadata." (builtins.head unknown)
          "left out; accepted: created_by, author, comment"
    )
      (renamed known given);

  buildImage =
    let
      function = "nix2container.buildImage";
      call =
        {
          name ? null,
          tag ? null,
          config ? { },
          layers ? [ ],
          copyToRoot ? null,
          fromImage ? "",
          arch ? null,
          perms ? [ ],
          maxLayers ? 1,
          initializeNixDatabase ? false,
          nixUid ? 0,
          nixGid ? 0,
          created ? null,
          contents ? null,
          meta ? { },
          ...
        }@users:
        let
          copied = copiedOf function users users;
          layersBelow = builtins.concatMap (layer: layer.ownLayers) (withParents function users layers);
          added = addedTo layersBelow copied (permsOf function users perms);
          # Nix in the container has to find what its database knows.
          databaseOf =
            layer:
            if initializeNixDatabase then layer // { paths = layer.paths ++ layer.copyToRoot; } else layer;
          allLayers = map databaseOf layersBelow;

          usersConfig = configOf function (users.config or null);
          count = layersOf maxLayers;
          # At most: layers that are divided may have fewer parts, and what a base image has is not known yet.
          needed = builtins.foldl' (sum: layer: sum + layer.maxLayers) (count + 1) allLayers;
          hasBase = fromImage != null && fromImage != "";
          # Few are as many as asked for. Many are as many as there is room for.
          many = count > most / 2;

          image = ociImage (
            arguments.callerOf function users {
              architecture = "arch";
              copyToRoot = if contents == null then "copyToRoot" else "contents";
              includeNixDB = "initializeNixDatabase";
            }
            // {
              inherit tag;
              name =
                if builtins.isString name then
                  builtins.unsafeDiscardStringContext name
                else
                  arguments.fail function users "name" "found ${builtins.typeOf name}, accepted: a string";
              config = usersConfig;
              architecture = orElse defaultArchitecture arch;
              created = arguments.timeOf "0001-01-01T00:00:00Z" created;
              fromImage = if hasBase then fromImage else null;
              # Only the layers.
              inheritConfig = [ ];
              layers = allLayers;
              maxLayers = if many && !hasBase && needed < most then needed else most;
              # Of what no layer above has: paths of their own by popularity, the others together.
              layering =
                if count == 1 then
                  "single"
                else if many then
                  "popularity"
                else
                  [
                    [ "popularity_contest" ]
                    [
                      "limit_layers"
                      count
                    ]
                  ];
              copyToRoot = added.copyToRoot ++ (if initializeNixDatabase then [ "${roots}" ] else [ ]);
              includeCopiedPaths = initializeNixDatabase;
              includeNixDB = initializeNixDatabase;
              perms = (if initializeNixDatabase then nixPerms else [ ]) ++ added.perms;
              directories = if initializeNixDatabase then { "/nix/store/.links" = { }; } else { };
              meta = orElse { } meta;
              passthru = {
                fromImage = if fromImage == null then "" else fromImage;
                imageRefUnsafe = builtins.unsafeDiscardStringContext "${image.imageName}:${image.imageTag}";
              }
              // copyTo function image;
            }
          );

          nixPerms =
            map
              (path: {
                inherit path;
                uid = numberOf nixUid;
                gid = numberOf nixGid;
              })
              [
                "/nix"
                "/nix/**"
              ];
          # Roots of the garbage collector of Nix in the container: what layers and the configuration name.
          roots =
            let
              paths = builtins.concatMap (layer: without layer.paths layer.ignore) allLayers ++ [
                "${pkgs.writeText "config.json" (builtins.toJSON usersConfig)}"
              ];
            in
            pkgs.runCommand "gc-roots" { } ''
              mkdir -p $out/nix/var/nix/gcroots/docker
              for path in ${toString paths}; do
                ln -sfn "$path" "$out/nix/var/nix/gcroots/docker/''${path##*/}"
              done
            '';
        in
        result.overridable { inherit function call users; } (
          builtins.seq (arguments.checked function (builtins.functionArgs call) [ "name" ] users) image
        );
    in
    call;
  configOf = config.of;
in
{
  inherit buildImage buildLayer;
}
