# buildImage, buildLayeredImage, streamLayeredImage, and their variants with a Nix database.
{
  pkgs,
  lib,
  ociImage,
  arguments,
  config,
  result,
  chosenImage,
  defaultArchitecture,
}:
let
  inherit (arguments)
    numberOf
    orElse
    timeOf
    toList
    ;
  configuration = config.of;
  epoch = "1970-01-01T00:00:01Z";

  # Lists in lists are one list, and null and "" are nothing: nixpkgs' builders get all of it as words of one text.
  flatten =
    value:
    builtins.concatMap (
      item:
      if builtins.isList item then
        flatten item
      else if item == null || item == "" then
        [ ]
      else
        [ item ]
    ) (toList value);

  # Items with priorities of their own (the lowest wins) in place of nixpkgs' `meta.priority`, which dockerTools
  # does not look at: the order in the list decides.
  prioritized =
    priorityOf: items:
    lib.imap0 (
      index: item:
      if builtins.isAttrs item || builtins.isPath item || builtins.isString item then
        {
          outPath = "${item}";
          meta.priority = priorityOf index;
        }
      # The builtin's error.
      else
        item
    ) (flatten items);
  firstWins = prioritized (index: index);
  lastWins = prioritized (index: 0 - index);

  compressors = [
    "none"
    "gz"
    "zstd"
  ];
  compressorOf =
    function: users: compressor:
    if compressor == null then
      "gz"
    else if builtins.elem compressor compressors then
      compressor
    else
      arguments.fail function users "compressor"
        "found ${builtins.toJSON compressor}, accepted: ${builtins.concatStringsSep ", " (map builtins.toJSON compressors)}";

  # A script's text; "" for none. A list is a text of words, as in the environment of a build.
  textOf =
    script:
    if script == null then
      ""
    else if builtins.isList script then
      builtins.concatStringsSep " " (map toString script)
    else
      "${script}";

  # The name's own text: an image must not depend on what it is named after.
  imageName =
    function: users: name:
    if builtins.isString name then
      builtins.unsafeDiscardStringContext name
    else
      arguments.fail function users "name" "found ${builtins.typeOf name}, accepted: a string";

  # The scripts among the arguments, with what runs them; nothing where there is none, so that an image
  # without scripts does not depend on a shell.
  scripts =
    {
      runAsRoot ? null,
      extraCommands ? null,
      fakeRootCommands ? null,
      enableFakechroot ? false,
    }:
    let
      # As in stdenv's builder, in `bash -e`, and in shellScript.
      given =
        (if runAsRoot != null then { runAsRoot = "set -e\n${textOf runAsRoot}"; } else { })
        // (
          if textOf extraCommands != "" then
            { extraCommands = "set -eo pipefail\n${textOf extraCommands}"; }
          else
            { }
        )
        // (
          if textOf fakeRootCommands != "" then
            {
              fakeRootCommands = "set -e\n${textOf fakeRootCommands}";
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

  # --- One layer of store paths and a root layer

  buildImageAs =
    function:
    let
      call =
        {
          name ? null,
          tag ? null,
          fromImage ? null,
          fromImageName ? null,
          fromImageTag ? null,
          copyToRoot ? null,
          keepContentsDirlinks ? false,
          config ? null,
          architecture ? null,
          extraCommands ? "",
          uid ? 0,
          gid ? 0,
          runAsRoot ? null,
          # Of nixpkgs' virtual machine: Gantry has none.
          diskSize ? 1024,
          buildVMMemorySize ? 512,
          created ? null,
          compressor ? "gz",
          includeNixDB ? false,
          meta ? { },
          # The name that copyToRoot had before nixpkgs 22.11.
          contents ? null,
          ...
        }@users:
        let
          root =
            if contents == null then
              copyToRoot
            else if copyToRoot != null then
              arguments.fail function users "contents"
                "an old name of copyToRoot, which is given, too; write all in copyToRoot"
            else
              arguments.warn function users "" "contents"
                "an old name of copyToRoot; write copyToRoot (image ${name})"
                contents;

          # Of the contents alone, and only where no script made them as root: store paths stay root's.
          owned =
            (numberOf uid != 0 || numberOf gid != 0)
            && runAsRoot == null
            && (toList root != [ ] || textOf extraCommands != "");

          image = ociImage (
            arguments.callerOf function users (if contents == null then { } else { copyToRoot = "contents"; })
            // {
              name = imageName function users name;
              inherit
                tag
                keepContentsDirlinks
                includeNixDB
                ;
              architecture = orElse defaultArchitecture architecture;
              created = timeOf epoch created;
              meta = orElse { } meta;
              copyToRoot = lastWins root;
              fromImage = chosenImage function users fromImage fromImageName fromImageTag;
              config = configuration function config;
              compressor = compressorOf function users compressor;
              layering = "single";
              # A base of any size gets its two layers.
              maxLayers = 127;
              passthru = {
                buildArgs = users;
                layer = result.part function users image.root;
                inherit fromImage;
              };
            }
            // scripts { inherit runAsRoot extraCommands; }
            // (
              if owned then
                {
                  perms = [
                    {
                      path = "/**";
                      uid = numberOf uid;
                      gid = numberOf gid;
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
        result.overridable { inherit function call users; } (
          builtins.seq (arguments.checked function (builtins.functionArgs call) [ "name" ] users) image
        );
    in
    call;
  # --- Images in many layers

  # The image's name and tag are its own, as with nixpkgs.
  usersPassthru =
    { function, users, ... }:
    given:
    let
      passthru = orElse { } (given.passthru or null);
    in
    if builtins.isAttrs passthru then
      removeAttrs passthru [
        "imageName"
        "imageTag"
      ]
    else
      arguments.fail function users "passthru" "found ${builtins.typeOf passthru}, accepted: a set";

  # The arguments of both functions as builtins.ociImage's. `users` are those that the user wrote.
  layeredArguments =
    { function, users, ... }:
    {
      name,
      tag ? null,
      fromImage ? null,
      contents ? [ ],
      config ? { },
      architecture ? null,
      created ? null,
      mtime ? null,
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
      # Of the program that nixpkgs layers with.
      debug ? false,
      meta ? { },
      passthru ? { },
      ...
    }:
    arguments.callerOf function users { layering = "layeringPipeline"; }
    // {
      name = imageName function users name;
      inherit
        tag
        uname
        gname
        includeStorePaths
        includeNixDB
        ;
      uid = numberOf uid;
      gid = numberOf gid;
      architecture = orElse defaultArchitecture architecture;
      created = timeOf epoch created;
      mtime = timeOf epoch mtime;
      meta = orElse { } meta;
      fromImage = chosenImage function users fromImage null null;
      contents = firstWins contents;
      config = configuration function config;
    }
    // scripts { inherit extraCommands fakeRootCommands enableFakechroot; }
    // (
      if layeringPipeline == null then
        {
          maxLayers =
            if !builtins.isInt maxLayers then
              maxLayers
            else if maxLayers > 127 then
              127
            else if maxLayers > 1 then
              maxLayers
            else
              arguments.fail function users "maxLayers"
                "found ${toString maxLayers}, accepted: more than 1, because the root layer is one; for everything in one layer write builtins.ociImage { maxLayers = 1; … }";
        }
      else
        {
          # A list, or a file that the builder reads.
          layering = layeringPipeline;
          # The pipeline alone says how many layers there are.
          maxLayers = 127;
        }
    );

  # The stream of layered arguments.
  streamOf =
    { users, ... }@called:
    given:
    let
      image = ociImage (
        layeredArguments called given
        // {
          format = "stream";
          passthru = usersPassthru called given // {
            isExe = true;
            # `$streamScript $conf` writes the archive, as with nixpkgs: here it is the second that knows how.
            conf = image;
            streamScript = pkgs.writeScript "stream" ''
              #!${pkgs.runtimeShell}
              exec "$@"
            '';
          };
        }
      );
    in
    result.overridable called image;

  # The archive of layered arguments; `stream` is the stream of the same.
  archiveOf =
    { function, users, ... }@called:
    { compressor, stream }:
    given:
    let
      image = ociImage (
        layeredArguments called given
        // {
          compressor = compressorOf function users compressor;
          passthru = usersPassthru called given // {
            inherit stream;
            inherit (stream) conf streamScript;
            # nixpkgs says true here, though an archive is none.
            isExe = false;
          };
        }
      );
    in
    result.overridable called image;

  streamLayeredImageAs =
    function:
    let
      call =
        {
          name ? null,
          tag ? null,
          fromImage ? null,
          contents ? [ ],
          config ? { },
          architecture ? null,
          created ? null,
          mtime ? null,
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
          ...
        }@users:
        streamOf { inherit function call users; } (
          arguments.checked function (builtins.functionArgs call) [ "name" ] users
        );
    in
    call;

  buildLayeredImageAs =
    function:
    let
      call =
        {
          name ? null,
          tag ? null,
          fromImage ? null,
          contents ? [ ],
          config ? { },
          architecture ? null,
          created ? null,
          mtime ? null,
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
          compressor ? "gz",
          ...
        }@users:
        archiveOf { inherit function call users; } {
          inherit compressor;
          stream = streamLayeredImage (removeAttrs users [ "compressor" ]);
        } (arguments.checked function (builtins.functionArgs call) [ "name" ] users);
    in
    call;

  buildImage = buildImageAs "dockerTools.buildImage";
  buildLayeredImage = buildLayeredImageAs "dockerTools.buildLayeredImage";
  streamLayeredImage = streamLayeredImageAs "dockerTools.streamLayeredImage";
in
{
  # For images that are made of other arguments: the functions behind the public ones.
  inherit archiveOf streamOf;

  inherit buildImage buildLayeredImage streamLayeredImage;
  buildImageWithNixDb =
    users: buildImageAs "dockerTools.buildImageWithNixDb" (users // { includeNixDB = true; });
  buildLayeredImageWithNixDb =
    users:
    buildLayeredImageAs "dockerTools.buildLayeredImageWithNixDb" (users // { includeNixDB = true; });
}
