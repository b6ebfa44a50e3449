//! What the tests stand on: real Nix with a store of its own, real packages, real image tools.
//!
//! Every test has its own temporary folder and store, removed at its end; a missing program fails the
//! test (tests/setup installs them all).
#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

mod builder;
mod container;
mod docker;
mod image;
mod machine;
mod made;
mod nix;
mod packages;
mod programs;
mod random;
mod scripts;
pub mod server;
pub mod stub_nixpkgs;
mod witness;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub use builder::{Store, ask, from_bytes, listing};
pub use container::Container;
pub use docker::Docker;
pub use image::{Image, Layer, Member, look, look_at_others, tree};
pub use machine::{Machine, packages_there};
pub use made::{MadeImages, MadeLayer, digest_of, sha256, tar, tar_of, through};
pub use nix::{Nix, functions, gantry_package, quoted};
pub use packages::{debian_packages, packages};
pub use programs::{Registry, docker_less_run, podman_load, unpack};
pub use random::Random;
pub use scripts::{
    Scripts, Tree, argument, as_nobody, differences, layer_names, unpacked_layers, walk, ways,
    with_environment,
};
pub use witness::{testimony, witness};

/// What `make build` made: `bin/gantry` and `lib/nix/plugins/libgantry.so`. In target/dist, or where
/// GANTRY_DIST says.
pub fn dist() -> PathBuf {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/dist");
    let dist = std::env::var_os("GANTRY_DIST").map_or_else(usual, PathBuf::from);
    for file in ["bin/gantry", "lib/nix/plugins/libgantry.so"] {
        assert!(dist.join(file).exists(), "{} is missing: run `make build`", dist.join(file).display());
    }
    dist
}

/// The static executable `gantry`.
pub fn gantry() -> PathBuf {
    dist().join("bin/gantry")
}

/// A temporary folder, removed with everything in it when dropped, also what Nix made read-only.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        let folder = tempfile::Builder::new().prefix("gantry-test-").tempdir().expect("a temporary folder");
        Folder(folder.keep())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir_all(path.parent().expect("inside the folder")).expect("a directory");
        std::fs::write(&path, text).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = Command::new("chmod").args(["-R", "u+w"]).arg(&self.0).output();
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a program printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Standard output, without the last newline; the program must have succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout.trim_end().to_string()
    }

    /// Standard error; the program must have failed with an error of its own (no signal, no panic; 102 is
    /// Nix's hash mismatch).
    #[track_caller]
    pub fn err(self) -> String {
        assert!(
            matches!(self.code, Some(1..=100 | 102)),
            "{:?}\n{}\n{}",
            self.code,
            self.stdout,
            self.stderr
        );
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self.stderr
    }
}

/// Runs a command to its end. An image that `gantry` has made is witnessed.
#[track_caller]
pub fn run(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|e| panic!("{command:?}: {e}; tests/setup installs what tests need"));
    if status.success() {
        witness::witness_command(command);
    }
    Ran {
        code: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// Runs a program with arguments, which must succeed; its standard output.
#[track_caller]
pub fn output<S: AsRef<std::ffi::OsStr>>(program: &str, arguments: &[S]) -> String {
    run(Command::new(program).args(arguments)).ok()
}

/// The JSON that a text is.
#[track_caller]
pub fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}
