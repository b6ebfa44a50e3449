# What builds images, however it was given: the package (or a set with its `outPath`), its path, or that as a string.
#
#   builder  path of the executable, with its string context
#   system   the system that the executable is for: the package's, or else `system`
#   version  of the package: it is part of automatic tags
{
  gantry,
  system ?
    builtins.currentSystem
      or (throw "gantry: in a pure evaluation a path does not say which system bin/gantry is for; give the package, or a set with outPath and system"),
}:
let
  inStore = path: builtins.match "${builtins.storeDir}/[0-9a-z]{32}-[^/]+" path != null;

  # A path in the store is there already; a string without context would not be an input of a build.
  outPath =
    if builtins.isPath gantry && !inStore (toString gantry) then
      "${gantry}"
    else
      let
        text = toString gantry;
      in
      if inStore text && !builtins.hasContext text then
        builtins.appendContext text { ${text}.path = true; }
      else
        text;

  named = builtins.match "[^-]+-gantry-([0-9].*)" (
    baseNameOf (builtins.unsafeDiscardStringContext outPath)
  );
in
{
  builder = "${outPath}/bin/gantry";
  system = gantry.system or system;
  version =
    gantry.version or (
      if named != null then
        builtins.head named
      else
        baseNameOf (builtins.unsafeDiscardStringContext outPath)
    );
}
