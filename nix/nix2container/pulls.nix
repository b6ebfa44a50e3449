# pullImage and pullImageFromManifest.
{
  pkgs,
  lib,
  builtinPullImage,
  arguments,
  result,
  defaultArchitecture,
}:
let
  inherit (arguments) orElse;
  plugin = builtins ? pullImage;
  optional = name: value: if value == null then { } else { ${name} = value; };
in
{
  pullImage =
    let
      function = "nix2container.pullImage";
      call =
        {
          imageName ? null,
          imageDigest ? null,
          # Of the directory that skopeo would make: nothing here has that hash.
          sha256 ? null,
          os ? "linux",
          arch ? null,
          tlsVerify ? true,
          name ? null,
          # Of the archive that is made here (builtins.pullImage).
          hash ? null,
          ...
        }@users:
        let
          pulled = builtinPullImage (
            arguments.callerOf function users { }
            // {
              inherit
                imageName
                imageDigest
                os
                tlsVerify
                ;
              arch = orElse defaultArchitecture arch;
            }
            // optional "name" (if name == null then null else arguments.derivationName name)
            // optional "hash" hash
          );
          digestAlone =
            if !plugin then
              arguments.fail function users (if sha256 == null then "hash" else "sha256")
                "without the plugin a hash is needed, and sha256 is that of a directory of skopeo's, which Gantry does not make: write hash = \"sha256-…\"; in its place, which `gantry prefetch --hash ${toString imageName}@${toString imageDigest}` prints"
            else if sha256 != null then
              arguments.warn function users "" "sha256"
                "left out, because it is the hash of a directory of skopeo's, which Gantry does not make; imageDigest alone says what is pulled, and every byte is compared with it"
                pulled
            else
              pulled;
        in
        result.overridable { inherit function call users; } (
          builtins.seq (arguments.checked function (builtins.functionArgs call) [
            "imageName"
            "imageDigest"
          ] users) (if hash != null then pulled else digestAlone)
        );
    in
    call;

  pullImageFromManifest =
    let
      function = "nix2container.pullImageFromManifest";
      call =
        {
          imageName ? null,
          imageManifest ? null,
          imageTag ? "latest",
          # Of getManifest alone.
          os ? "linux",
          arch ? null,
          tlsVerify ? true,
          registryUrl ? "registry-1.docker.io",
          ...
        }@users:
        let
          # Docker's registry is known by its short name, under which credentials and mirrors are looked for.
          fullName =
            if registryUrl == "registry-1.docker.io" then imageName else "${registryUrl}/${imageName}";
          url = "docker://${
            if registryUrl == "registry-1.docker.io" then "docker.io/${imageName}" else fullName
          }";
          # Prints the manifest of the image for the platform, to be kept beside the flake.
          getManifest = pkgs.writeShellScriptBin "get-manifest" ''
            set -eu
            inspect() {
              ${pkgs.skopeo}/bin/skopeo inspect --raw --tls-verify=${lib.boolToString tlsVerify} "$1"
            }
            manifest=$(inspect ${lib.escapeShellArg "${url}:${imageTag}"})
            digest=$(printf %s "$manifest" | ${pkgs.jq}/bin/jq -r \
              --arg os ${lib.escapeShellArg os} --arg arch ${lib.escapeShellArg (orElse defaultArchitecture arch)} \
              '[.manifests[]? | select(.platform.os == $os and .platform.architecture == $arch) | .digest] | first // empty')
            if [ -n "$digest" ]; then
              inspect ${lib.escapeShellArg url}"@$digest"
            else
              printf %s "$manifest"
            fi
          '';
        in
        result.overridable { inherit function call users; } (
          builtins.seq
            (arguments.checked function (builtins.functionArgs call) [
              "imageName"
              "imageManifest"
            ] users)
            (
              builtinPullImage (
                arguments.callerOf function users { manifest = "imageManifest"; }
                // {
                  imageName = fullName;
                  manifest = imageManifest;
                  finalImageName = imageName;
                  finalImageTag = imageTag;
                  inherit tlsVerify;
                  passthru = {
                    inherit getManifest;
                  };
                }
              )
            )
        );
    in
    call;
}
