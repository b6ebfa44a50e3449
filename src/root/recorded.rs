//! `root.json`: what a root layer's derivation tells the image's.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::RootError;
use crate::digest::Digest;
use crate::spec::Owner;

/// A root layer and its configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// The image configuration's `config`.
    pub config: Map<String, Value>,
    /// The sources, for Nix's reference scan: a package is in the closure even when no link leads to it.
    pub contents: Vec<String>,
    /// `layer.tar`.
    pub layer: RecordedLayer,
    /// Whom the Nix database belongs to, if there is to be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Owner>,
}

/// What is known of `layer.tar`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedLayer {
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// The bytes before the zeros that end the archive.
    pub members: u64,
}

impl Recorded {
    /// Reads the `root.json` of the root layer in `directory`.
    pub fn read(directory: &Path) -> Result<Recorded, RootError> {
        let path = directory.join("root.json");
        let bytes = fs::read(&path).map_err(|e| RootError::io(&path, e))?;
        serde_json::from_slice(&bytes).map_err(|source| RootError::Recorded { path, source })
    }

    pub(super) fn write(&self, directory: &Path) -> Result<(), RootError> {
        let path = directory.join("root.json");
        let bytes = serde_json::to_vec(self).map_err(|e| RootError::io(&path, e))?;
        fs::write(&path, bytes).map_err(|e| RootError::io(&path, e))
    }
}
