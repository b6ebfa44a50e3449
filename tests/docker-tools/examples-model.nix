# dockerTools.examples: images by the names of nixpkgs'; some of them as nixpkgs makes them, as far as it is seen here.
{
  pkgs,
  file,
  buildImage,
  buildImageWithNixDb,
  buildLayeredImage,
}:
let
  names = builtins.filter (name: builtins.isString name && name != "") (
    builtins.split "[[:space:]]+" ''
      another-layered-image bash bashLayeredUncompressed bashLayeredWithUser bashLayeredZstdCompressed bashNoTag
      bashNoTagLayered bashNoTagStreamLayered bashUncompressed bashZstdCompressed build-image-with-architecture
      build-image-with-path bulk-layer cross editors environmentVariables environmentVariablesLayered
      environmentVariablesParent etc exportBash filesInStore helloOnRoot helloOnRootNoStore
      helloOnRootNoStoreFakechroot image-with-certs imageViaFakeChroot layered-bulk-layer layered-image
      layered-image-with-architecture layered-image-with-path layered-on-top layered-on-top-layered
      layeredImageWithFakeRootCommands layeredStoreSymlink layersOrder layersUnpackOrder mergeVaryingCompressor
      mergedBashAndRedis mergedBashFakeRoot mergedBashNoTagAndRedis nginx nginxStream nix nix-layered
      nix-shell-basic nix-shell-build-derivation nix-shell-command nix-shell-hook nix-shell-inputs
      nix-shell-nonexistent-home nix-shell-pass-as-file nix-shell-run nix-shell-writable-home nixFromDockerHub
      nixLayered no-store-paths onTopOfPulledImage override overrideDerivation prefixedImage prefixedLayeredImage
      redis runAsRootExtraCommands runAsRootParentImage testNixFromDockerHub two-layered-image unstableDate
      unstableDateLayered
    ''
  );
in
builtins.listToAttrs (
  map (name: {
    inherit name;
    value = file name;
  }) names
)
// {
  bash = buildImage {
    name = "bash";
    tag = "latest";
  };
  nix = buildImageWithNixDb {
    name = "nix";
    tag = "latest";
    copyToRoot = [ pkgs.nix ];
  };
  redis = buildImage {
    name = "redis";
    tag = "latest";
  };
  layered-image = buildLayeredImage {
    name = "layered-image";
    tag = "latest";
  };
  bashNoTagLayered = buildLayeredImage { name = "bash-no-tag-layered"; };
}
