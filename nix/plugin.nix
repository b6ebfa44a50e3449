# The plugin for one Nix, lib/gantry/VERSION/libgantry.so: the shim in cpp/, compiled against its headers and linked
# with the library that ./core.nix has compiled for all of them.
#
# A plugin loads into the very build of Nix whose headers it was made with. So everything that Nix's headers show is
# what that Nix was built with: the compiler, Boost (`EvalState` has Boost's maps as members) and nlohmann_json.
{
  lib,
  stdenv,
  pkg-config,
  boost,
  nlohmann_json,
  core,
  nix,
}:
let
  headers = (import ./supported.nix { inherit lib; }).headers nix;
  inputs = lib.concatMap (
    package: (package.buildInputs or [ ]) ++ (package.propagatedBuildInputs or [ ])
  ) (headers ++ [ nix ]);
  nixsOwn =
    package:
    lib.findFirst (
      input: lib.isDerivation input && lib.getName input == lib.getName package
    ) package inputs;
in
((builtins.head headers).stdenv or stdenv).mkDerivation {
  pname = "gantry-plugin-nix-${nix.version}";
  inherit (core) version;
  src = (import ./source.nix { inherit lib; }).shim;
  strictDeps = true;

  nativeBuildInputs = [ pkg-config ];
  buildInputs = headers ++ [
    (nixsOwn boost)
    (nixsOwn nlohmann_json)
  ];

  buildPhase = ''
    runHook preBuild
    sh cpp/build-plugin ${core.link}/lib/libgantry.a ${core.link}/include plugins
    runHook postBuild
  '';
  installPhase = ''
    runHook preInstall
    mkdir -p "$out/lib"
    cp -r plugins "$out/lib/gantry"
    runHook postInstall
  '';

  meta = core.meta // {
    description = "The evaluator plugin Gantry for Nix ${nix.version}";
  };
}
