//! What needs no build: attributes, results, errors, examples.

use super::*;

#[test]
fn all_examples_evaluate_without_the_plugin() {
    assert_all_evaluate(&Nix::without_plugin());
}

#[test]
fn all_examples_evaluate_with_the_plugin() {
    assert_all_evaluate(&Nix::new());
}

#[test]
fn everything_that_nixpkgs_documents_is_there() {
    let nix = Nix::without_plugin();
    let names = value(&nix, "builtins.attrNames dockerTools");
    for name in [
        "buildImage",
        "buildLayeredImage",
        "streamLayeredImage",
        "pullImage",
        "exportImage",
        "mergeImages",
        "buildImageWithNixDb",
        "buildLayeredImageWithNixDb",
        "buildNixShellImage",
        "streamNixShellImage",
        "shadowSetup",
        "usrBinEnv",
        "binSh",
        "caCertificates",
        "fakeNss",
        "mergeDrvs",
        "shellScript",
        "examples",
    ] {
        assert!(names.as_array().expect("a list").contains(&json!(name)), "{name}");
    }
}

#[test]
fn pull_image_with_a_hash_is_the_same_derivation_with_and_without_the_plugin() {
    let pulled =
        r#"let image = examples.nixFromDockerHub; in [ image.outPath image.imageName image.imageTag ]"#;
    let (without, with) = (value(&Nix::without_plugin(), pulled), value(&Nix::new(), pulled));
    assert_eq!(without, with);
    assert!(without[0].as_str().expect("a path").ends_with("-docker-image-nix-2.2.1.tar"), "{without}");
    assert_eq!((&without[1], &without[2]), (&json!("nix"), &json!("2.2.1")));
}

/// Of nixpkgs' pkgs/build-support/docker/examples.nix.
#[test]
fn examples_have_nixpkgs_names() {
    let names = value(&Nix::without_plugin(), "builtins.attrNames examples");
    for name in "another-layered-image bash bashLayeredUncompressed bashLayeredWithUser bashLayeredZstdCompressed \
        bashNoTag bashNoTagLayered bashNoTagStreamLayered bashUncompressed bashZstdCompressed \
        build-image-with-architecture build-image-with-path bulk-layer cross editors environmentVariables \
        environmentVariablesLayered environmentVariablesParent etc exportBash filesInStore helloOnRoot \
        helloOnRootNoStore helloOnRootNoStoreFakechroot image-with-certs imageViaFakeChroot layered-bulk-layer \
        layered-image layered-image-with-architecture layered-image-with-path layered-on-top \
        layered-on-top-layered layeredImageWithFakeRootCommands layeredStoreSymlink layersOrder \
        layersUnpackOrder mergeVaryingCompressor mergedBashAndRedis mergedBashFakeRoot mergedBashNoTagAndRedis \
        nginx nginxStream nix nix-layered nix-shell-basic nix-shell-build-derivation nix-shell-command \
        nix-shell-hook nix-shell-inputs nix-shell-nonexistent-home nix-shell-pass-as-file nix-shell-run \
        nix-shell-writable-home nixFromDockerHub no-store-paths onTopOfPulledImage prefixedImage \
        prefixedLayeredImage redis runAsRootExtraCommands runAsRootParentImage testNixFromDockerHub \
        two-layered-image unstableDate unstableDateLayered"
        .split_whitespace()
    {
        assert!(names.as_array().expect("a list").contains(&json!(name)), "{name}");
    }
}
