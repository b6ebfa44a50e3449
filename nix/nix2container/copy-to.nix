# copyToRegistry and the like of an image: programs that cannot be built, as long as Gantry does not push; the error says
# what to run instead. They are derivations as nix2container's are, so that what only names them (apps, scripts, sets that
# are evaluated as a whole) can be evaluated.
{ pkgs, lib }:
function: image:
let
  program =
    attribute: name: command:
    let
      message = "${function}: ${attribute}: this version of Gantry does not copy images to other places itself; build the image and run: ${command}";
    in
    pkgs.runCommand name { } ''
      echo ${lib.escapeShellArg message} >&2
      exit 1
    ''
    // {
      meta.mainProgram = name;
    };
  inherit (image) imageRefUnsafe;
in
{
  copyToDockerDaemon =
    program "copyToDockerDaemon" "copy-to-docker-daemon"
      "docker load --input result";
  copyToPodman = program "copyToPodman" "copy-to-podman" "podman load --input result";
  copyToRegistry =
    program "copyToRegistry" "copy-to-registry"
      "skopeo copy oci-archive:result docker://${imageRefUnsafe}";
  copyTo = program "copyTo" "copy-to" "skopeo copy oci-archive:result DESTINATION";
}
