//! Flakes of this repository, and others that use it, with a stand-in for nixpkgs (tests/stub-nixpkgs).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Nix, Ran, output, run};

/// The folder of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies what a flake of this repository has, without what was built in it.
pub fn project(nix: &Nix) -> PathBuf {
    let project = nix.folder().join("project");
    let entries = [
        "flake.nix",
        "default.nix",
        "nix",
        "src",
        "cpp",
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "tests/cases",
    ];
    for entry in entries {
        copy(&repository().join(entry), &project.join(entry));
    }
    project
}

/// Copies the stand-in for nixpkgs.
pub fn stub(nix: &Nix) -> PathBuf {
    let stub = nix.folder().join("stub");
    copy(&repository().join("tests/stub-nixpkgs"), &stub);
    stub
}

/// Copies a file or a folder.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
    if !to.exists() {
        output("cp", &["-r", from.to_str().expect("UTF-8"), to.to_str().expect("UTF-8")]);
    }
}

/// `nix`, with the store where flakes expect it: with a store elsewhere, Nix 2.8 takes the paths of a flake's files
/// (templates) for paths outside the store.
pub fn nix_at_nix_store(nix: &Nix) -> Command {
    fs::create_dir_all(nix.store().join("nix")).expect("a folder");
    let mut command = nix.in_store("shift; exec nix \"$@\"");
    let plain = nix.command("nix");
    for (name, value) in plain.get_envs() {
        if let (Some(value), true) = (value, name != "NIX_REMOTE") {
            command.env(name, value);
        }
    }
    command.env_remove("NIX_REMOTE").env_remove("NIX_PATH");
    command
}

/// `nix COMMAND... path:FLAKE#ATTRIBUTE`, with other flakes in place of the inputs.
pub fn flake(
    nix: &Nix,
    command: &[&str],
    flake: &Path,
    attribute: &str,
    inputs: &[(&str, &Path)],
    more: &[&str],
) -> Ran {
    let hash = if attribute.is_empty() { "" } else { "#" };
    let mut nix: Command = nix.command("nix");
    nix.args(command).arg(format!("path:{}{hash}{attribute}", flake.display())).arg("--no-write-lock-file");
    for (name, input) in inputs {
        nix.args(["--override-input", name]).arg(format!("path:{}", input.display()));
    }
    run(nix.args(more))
}
