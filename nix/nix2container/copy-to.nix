# copyToRegistry and the like of an image: an error, once it is needed, as long as Gantry does not push. It is thrown by the path
# of the program alone, so that looking for derivations in a set of attributes finds an ordinary one.
function: image:
let
  program =
    attribute: name: command:
    let
      missing = throw "${function}: ${attribute}: this version of Gantry does not copy images to other places itself; build the image and run: ${command}";
    in
    {
      type = "derivation";
      inherit name;
      meta.mainProgram = name;
      outputName = "out";
      outPath = missing;
      drvPath = missing;
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
