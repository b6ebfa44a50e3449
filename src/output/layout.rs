//! The OCI image layout: a directory with `oci-layout`, `index.json` and `blobs/sha256/` (image-spec,
//! image-layout.md). Blobs that are store paths' files already are linked to, not copied.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Format, OCI_LAYOUT, OutputError, Place, WholeDirectory};
use crate::digest::Digest;
use crate::image::{Documents, blob_path};
use crate::layer::{BlobSink, LayerError, Slot};

/// A layout being written.
pub struct LayoutDirectory {
    whole: WholeDirectory,
    opened: usize,
}

impl LayoutDirectory {
    /// A layout for `path`, which must not exist.
    pub fn create(path: &Path, place: Place) -> Result<LayoutDirectory, OutputError> {
        let whole = WholeDirectory::create(path, place)?;
        let blobs = whole.working().join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|e| OutputError::io(&blobs, e))?;
        Ok(LayoutDirectory { whole, opened: 0 })
    }

    fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.whole.working().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), OutputError> {
        let path = self.at(name);
        fs::write(&path, bytes).map_err(|e| OutputError::io(&path, e))
    }
}

impl BlobSink for LayoutDirectory {
    fn link(&mut self, path: &Path, digest: Digest) -> Result<bool, LayerError> {
        let link = self.at(blob_path(digest));
        match symlink(path, &link) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(LayerError::io(&link, e)),
            _ => Ok(true),
        }
    }

    fn open(&mut self, _size: Option<u64>) -> Result<Slot, LayerError> {
        let path = self.at(format!("blobs/sha256/.{}", self.opened));
        self.opened += 1;
        let file = File::create_new(&path).map_err(|e| LayerError::io(&path, e))?;
        Ok(Slot { file: Arc::new(file), offset: 0, path })
    }

    fn close(&mut self, slot: Slot, digest: Digest, _size: u64) -> Result<(), LayerError> {
        fs::rename(&slot.path, self.at(blob_path(digest))).map_err(|e| LayerError::io(&slot.path, e))
    }
}

impl Format for LayoutDirectory {
    fn finish(self: Box<Self>, documents: &Documents) -> Result<(), OutputError> {
        for document in &documents.blobs {
            self.write(&blob_path(document.digest), &document.bytes)?;
        }
        self.write("index.json", &documents.index)?;
        self.write("oci-layout", OCI_LAYOUT)?;
        self.whole.finish()
    }
}
