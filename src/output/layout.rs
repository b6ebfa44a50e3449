//! The OCI image layout: a directory with `oci-layout`, `index.json` and `blobs/sha256/` (image-spec,
//! image-layout.md). Blobs that are store paths' files already are linked to, not copied.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
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
    /// Blobs whose digests are not known yet, and where they are. Errors name the layout alone: these are gone then.
    opened: Vec<(Arc<File>, PathBuf)>,
    /// How many blobs there have been: each has a name of its own meanwhile.
    count: usize,
}

impl LayoutDirectory {
    /// A layout for `path`, which must not exist.
    pub fn create(path: &Path, place: Place) -> Result<LayoutDirectory, OutputError> {
        let whole = WholeDirectory::create(path, place)?;
        let blobs = whole.working().join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|e| OutputError::io(path, e))?;
        Ok(LayoutDirectory { whole, opened: Vec::new(), count: 0 })
    }

    fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.whole.working().join(name)
    }

    fn error(&self, source: io::Error) -> LayerError {
        super::layer_error(OutputError::io(self.whole.path(), source))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), OutputError> {
        fs::write(self.at(name), bytes).map_err(|e| OutputError::io(self.whole.path(), e))
    }
}

impl BlobSink for LayoutDirectory {
    fn link(&mut self, path: &Path, digest: Digest) -> Result<bool, LayerError> {
        let link = self.at(blob_path(digest));
        match symlink(path, &link) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(self.error(e)),
            _ => Ok(true),
        }
    }

    fn open(&mut self, _size: Option<u64>) -> Result<Slot, LayerError> {
        let path = self.at(format!("blobs/sha256/.{}", self.count));
        self.count += 1;
        let file = Arc::new(File::create_new(&path).map_err(|e| self.error(e))?);
        self.opened.push((file.clone(), path));
        Ok(Slot { file, offset: 0, path: self.whole.path().into() })
    }

    fn close(&mut self, slot: Slot, digest: Digest, _size: u64) -> Result<(), LayerError> {
        let Some(place) = self.opened.iter().position(|(file, _)| Arc::ptr_eq(file, &slot.file)) else {
            return Err(self.error(io::Error::other("a blob that was not opened here")));
        };
        let (_, path) = self.opened.swap_remove(place);
        fs::rename(path, self.at(blob_path(digest))).map_err(|e| self.error(e))
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
