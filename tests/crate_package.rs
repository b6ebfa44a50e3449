//! The crate as cargo packs it: what it needs to be built, and nothing that only this repository needs.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use support::stub_nixpkgs::repository;
use support::{Nix, json, output, quoted};

/// The files of the package.
fn listed() -> BTreeSet<PathBuf> {
    let manifest = repository().join("Cargo.toml").display().to_string();
    let arguments = ["package", "--list", "--allow-dirty", "--offline", "--manifest-path", &manifest];
    output(&std::env::var("CARGO").expect("CARGO"), &arguments).lines().map(PathBuf::from).collect()
}

/// All files below a folder, relative to it.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).expect("inside").to_path_buf());
            }
        }
    }
    found
}

#[test]
fn has_the_sources_the_licences_and_what_a_reader_needs() {
    let folders = ["src", "cpp", "nix"];
    let mut others = listed();
    others.retain(|file| !folders.iter().any(|folder| file.starts_with(folder)));
    // Written by cargo, in a working copy of git alone.
    others.remove(Path::new(".cargo_vcs_info.json"));
    let expected = [
        // Written by cargo.
        "Cargo.lock",
        "Cargo.toml.orig",
        // Ours.
        "CHANGELOG.md",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "build.rs",
    ];
    assert_eq!(others, expected.iter().map(PathBuf::from).collect());
}

#[test]
fn has_every_file_that_the_package_for_nix_is_built_from() {
    let nix = Nix::without_plugin();
    let lib = repository().join("tests/stub-nixpkgs/lib.nix");
    let source = repository().join("nix/source.nix");
    let listed = listed();
    for part in ["rust", "shim"] {
        let expression = format!("(import {} {{ lib = import {}; }}).{part}", quoted(&source), quoted(&lib));
        let folder = json(&nix.eval(&format!("\"${{{expression}}}\"")).ok());
        let needed = files(&nix.real(folder.as_str().expect("a path")));
        assert!(needed.len() > 5, "{part}: {needed:?}");
        let missing: Vec<&PathBuf> = needed.difference(&listed).collect();
        assert!(missing.is_empty(), "`include` in Cargo.toml lacks {missing:?}");
    }
}

#[test]
fn has_every_file_that_rust_embeds_and_no_more_of_nix() {
    let listed = listed();
    let mut embedded = BTreeSet::new();
    for file in listed.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let text = fs::read_to_string(repository().join(file)).expect("a source");
        for part in text.split("include_str!(\"").skip(1) {
            let relative = part.split('"').next().expect("a path");
            let mut path = file.parent().expect("a folder").to_path_buf();
            for component in Path::new(relative).components() {
                match component {
                    Component::ParentDir => assert!(path.pop(), "{relative} in {}", file.display()),
                    other => path.push(other),
                }
            }
            assert!(
                listed.contains(&path),
                "{} embeds {}, which the package lacks",
                file.display(),
                path.display()
            );
            embedded.insert(path);
        }
    }
    let of_nix: Vec<&PathBuf> =
        listed.iter().filter(|file| file.starts_with("nix") && !embedded.contains(*file)).collect();
    assert!(of_nix.is_empty(), "nothing embeds {of_nix:?}");
}
