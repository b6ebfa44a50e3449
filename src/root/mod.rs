//! The root layer: what an image holds outside the store, and the configuration that goes with it.
//!
//! Its derivation's output is a directory of two files, `layer.tar` and `root.json` ([`Recorded`]).
//! Nix scans them for references, and what it finds is the closure that the image ships: every store
//! path that a link, a copied file or the configuration names.

mod merge;
mod recorded;
mod tree;
mod write;

use std::fs;
use std::path::{Path, PathBuf};

pub use merge::{Conflict, MergeError};
pub use recorded::Recorded;

use crate::layer::Progress;
use crate::layer::tar::Shared;
use crate::spec::RootSpec;
use tree::Tree;

/// Why a root layer could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The contents do not fit together.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// The system refused something.
    #[error("{}: {source}", path.display())]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file has another length than when it was looked at.
    #[error("{} changed while it was read", .0.display())]
    Changed(PathBuf),
    /// The user or Nix asked us to stop.
    #[error("interrupted")]
    Interrupted,
    /// `root.json` is not what this version writes.
    #[error("{}: {source}; it was made by another version of gantry", path.display())]
    Recorded {
        /// The file.
        path: PathBuf,
        /// What serde_json said.
        source: serde_json::Error,
    },
}

impl RootError {
    fn io(path: &Path, source: impl Into<std::io::Error>) -> RootError {
        RootError::Io { path: path.to_path_buf(), source: source.into() }
    }
}

/// Makes the root layer that `spec` asks for in the new directory `out`. `store` is the store
/// directory, `mtime` in seconds since 1970.
pub fn build(
    spec: &RootSpec,
    store: &Path,
    mtime: i64,
    out: &Path,
    progress: &dyn Progress,
) -> Result<Recorded, RootError> {
    let mut tree = Tree::default();
    for (name, sources, linked) in
        [("contents", &spec.contents, true), ("copyToRoot", &spec.copy_to_root, false)]
    {
        for (index, source) in sources.iter().enumerate() {
            let argument = format!("{name}[{index}]");
            merge::add(&mut tree, source, &argument, linked, store)?;
        }
    }
    fs::create_dir_all(out).map_err(|e| RootError::io(out, e))?;
    let shared = Shared { mtime, owner: spec.owner.clone() };
    let layer = write::write(&tree, &shared, &out.join("layer.tar"), progress)?;
    let sources = spec.contents.iter().chain(&spec.copy_to_root);
    let recorded = Recorded {
        config: spec.config.clone(),
        contents: sources.map(|source| source.path.display().to_string()).collect(),
        layer,
    };
    recorded.write(out)?;
    Ok(recorded)
}
