//! A file that is one blob and nothing else.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::OutputError;
use crate::digest::Digest;
use crate::layer::{BlobSink, LayerError, Slot};

/// The file, which takes one blob from its first byte on.
pub struct BlobFile {
    slot: Slot,
}

impl BlobFile {
    /// A new file at `path`, which must not exist.
    pub fn create(path: &Path) -> Result<BlobFile, OutputError> {
        let file = File::create_new(path).map_err(|e| OutputError::io(path, e))?;
        Ok(BlobFile::of(file, path))
    }

    /// An open file, which messages call `path`.
    pub(super) fn of(file: File, path: &Path) -> BlobFile {
        BlobFile { slot: Slot { file: Arc::new(file), offset: 0, path: path.into() } }
    }
}

impl BlobSink for BlobFile {
    fn open(&mut self, _size: Option<u64>) -> Result<Slot, LayerError> {
        Ok(self.slot.clone())
    }

    fn close(&mut self, _slot: Slot, _digest: Digest, _size: u64) -> Result<(), LayerError> {
        Ok(())
    }
}
