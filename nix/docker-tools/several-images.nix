# Functions of whole images: pullImage, exportImage, mergeImages, and the choice of one image among merged ones.
{
  lib,
  package,
  builtinPullImage,
  arguments,
  result,
  defaultArchitecture,
}:
let
  inherit (arguments) derivationName fail;

  task =
    name: gantryTask:
    derivation {
      name = derivationName name;
      inherit (package) builder system;
      args = [ "build" ];
      __structuredAttrs = true;
      preferLocalBuild = true;
      gantry = gantryTask;
    }
    // {
      meta = { };
      passthru = { };
    };

  reference = image: image.imageRef or "${image}";
  referencesOf = images: builtins.concatStringsSep ", " (map reference images);
in
rec {
  # The image that `fromImage` is, or that fromImageName and fromImageTag choose of those that mergeImages put together
  # here. The builder refuses other archives of several images.
  chosenImage =
    function: users: fromImage: name: tag:
    let
      images = fromImage.mergedImages;
      wanted = builtins.filter (
        image:
        (name == null || image.imageName or null == lib.toLower name)
        && (tag == null || image.imageTag or null == tag)
      ) images;
    in
    if
      !builtins.elem (builtins.typeOf fromImage) [
        "null"
        "path"
        "set"
        "string"
      ]
    then
      fail function users "fromImage"
        "found ${builtins.typeOf fromImage}, accepted: an image, or the path of one"
    else if !(builtins.isAttrs fromImage && fromImage ? mergedImages) then
      fromImage
    else if wanted == [ ] then
      fail function users (if name != null then "fromImageName" else "fromImageTag")
        "${toString name}:${toString tag} is not among the merged images: ${referencesOf images}; write that image itself as fromImage"
    else if builtins.length wanted > 1 then
      arguments.warn function users "" "fromImage"
        "found an archive of several images (${referencesOf images}), the first is taken; write the one that is meant as fromImage"
        (builtins.head wanted)
    else
      builtins.head wanted;

  # nixpkgs says here what the image is called in the archive, not where it came from.
  pullImage =
    let
      function = "dockerTools.pullImage";
      call =
        {
          imageName ? null,
          imageDigest ? null,
          hash ? null,
          sha256 ? null,
          outputHash ? null,
          outputHashAlgo ? null,
          os ? "linux",
          arch ? null,
          finalImageName ? null,
          finalImageTag ? null,
          tlsVerify ? true,
          name ? null,
          # Of builtins.pullImage alone.
          tag ? null,
          variant ? null,
          preferGzip ? false,
          system ? null,
          meta ? { },
          passthru ? { },
          ...
        }@users:
        let
          # Pulling must not depend on a build: what is named after a package does not refer to it.
          given = builtins.mapAttrs (
            name: value:
            if builtins.isString value && name != "system" then
              builtins.unsafeDiscardStringContext value
            else
              value
          ) (lib.filterAttrs (_: value: value != null) users);
          pulled = builtinPullImage (
            arguments.callerOf function users { }
            // {
              arch = defaultArchitecture;
            }
            // given
            // (if given ? name then { name = derivationName given.name; } else { })
            // {
              passthru = (given.passthru or { }) // {
                imageName = given.finalImageName or given.imageName;
              };
            }
          );
        in
        result.overridable { inherit function call users; } (
          builtins.seq (arguments.checked function (builtins.functionArgs call) [ "imageName" ] users) pulled
        );
    in
    call;

  exportImage =
    let
      function = "dockerTools.exportImage";
      call =
        {
          fromImage ? null,
          fromImageName ? null,
          fromImageTag ? null,
          # Of nixpkgs' virtual machine: Gantry has none.
          diskSize ? 1024,
          name ? fromImage.name or (fail function users "name" "required where fromImage is a path"),
          ...
        }@users:
        result.overridable { inherit function call users; } (
          builtins.seq (arguments.checked function (builtins.functionArgs call) [ "fromImage" ] users) (
            if fromImage == null then
              fail function users "fromImage" "found null, accepted: an image"
            else
              task name {
                kind = "export";
                image = "${chosenImage function users fromImage fromImageName fromImageTag}";
              }
          )
        );
    in
    call;

  mergeImages =
    users:
    let
      function = "dockerTools.mergeImages";
      images = if builtins.isList users then users else [ users ];
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
          throw "${function}: ${image.name} is made by streamLayeredImage, and a stream cannot be merged; use buildLayeredImage with the same arguments"
        else
          "${image}";
    in
    if images == [ ] then
      throw "${function}: found an empty list, accepted: one image or more"
    else
      result.overridable
        {
          inherit function;
          call = mergeImages;
          inherit users;
        }
        (
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
            inherit images;
            # For fromImageName and fromImageTag.
            mergedImages = builtins.concatMap (image: image.mergedImages or [ image ]) images;
          }
        );
}
