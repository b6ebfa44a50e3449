//! `layer.json`: what an explicit layer's derivation tells those of the layers above it and of the image.
//!
//! Beside it lies `blob`, the layer's blob. There is none, and `blob` is null here, if everything that the
//! layer would hold lies below it: an image then has no such layer.

use std::fs;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Encoding, Extent, Given, Layer, LayerError};
use crate::digest::Digest;
use crate::spec::LayerHistory;

/// The layout of `layer.json` that this version writes and reads.
const VERSION: u32 = 1;

/// A layer that was made by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedLayer {
    version: u32,
    /// What is known of `blob`; none if the layer would hold nothing.
    pub blob: Option<RecordedBlob>,
    /// The store paths in it, in its order.
    pub paths: Vec<RecordedPath>,
    /// What the image's history says of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub history: LayerHistory,
}

fn is_default(history: &LayerHistory) -> bool {
    *history == LayerHistory::default()
}

/// What is known of `blob`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordedBlob {
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// The digest of its uncompressed tar.
    pub diff_id: Digest,
    /// The bytes of that.
    pub uncompressed_size: u64,
    /// How it is encoded.
    pub encoding: Encoding,
    /// What compressed it, with all that its output depends on.
    pub codec: Option<String>,
}

/// A store path as a Nix database knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordedPath {
    /// The path, absolute.
    pub path: String,
    /// The digest of its NAR, as Nix writes it.
    pub nar_hash: Option<String>,
    /// The bytes of its NAR.
    pub nar_size: u64,
    /// The paths that it refers to; itself perhaps among them.
    pub references: Vec<String>,
}

impl RecordedLayer {
    /// A layer of these paths; without a blob there are none.
    pub fn new(blob: Option<RecordedBlob>, paths: Vec<RecordedPath>, history: LayerHistory) -> RecordedLayer {
        RecordedLayer { version: VERSION, blob, paths, history }
    }

    /// Where the blob of the layer in `directory` is.
    pub fn blob_path(directory: &Path) -> PathBuf {
        directory.join("blob")
    }

    /// Reads the `layer.json` of the layer in `directory`.
    pub fn read(directory: &Path) -> Result<RecordedLayer, LayerError> {
        let path = directory.join("layer.json");
        let bytes = fs::read(&path).map_err(|e| LayerError::io(&path, e))?;
        let wrong = |what: String| LayerError::Recorded { path: path.clone(), what };
        let layer: RecordedLayer = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
        match layer.version {
            VERSION => Ok(layer),
            other => Err(wrong(format!("version {other}, expected {VERSION}"))),
        }
    }

    /// Writes `layer.json` into `directory`.
    pub fn write(&self, directory: &Path) -> Result<(), LayerError> {
        let path = directory.join("layer.json");
        let bytes = serde_json::to_vec(self).map_err(|e| LayerError::io(&path, e))?;
        fs::write(&path, bytes).map_err(|e| LayerError::io(&path, e))
    }

    /// The layer in `directory`, as it is; none if it holds nothing.
    pub fn layer(&self, directory: &Path) -> Result<Option<Layer>, LayerError> {
        let Some(blob) = &self.blob else { return Ok(None) };
        let path = RecordedLayer::blob_path(directory);
        let io = |e| LayerError::io(&path, e);
        let file = File::open(&path).map_err(io)?;
        if file.metadata().map_err(io)?.len() != blob.size {
            return Err(LayerError::Changed(path));
        }
        let extent = Extent { file: Arc::new(file), offset: 0, size: blob.size, path: path.into() };
        let given = Given { encoding: blob.encoding, diff_id: blob.diff_id, checked: true };
        let paths = self.paths.iter().map(|path| path.path.clone()).collect();
        let history = self.history.clone();
        Ok(Some(Layer { history, ..Layer::of_blob(extent, Some(blob.digest), given, paths) }))
    }
}
