//! The archive: one tar that is an OCI archive (an OCI layout in a tar) and a docker-archive at once.
//!
//! ```text
//! blobs/                              0755
//! blobs/sha256/                       0755
//! blobs/sha256/<digest>               the layers, in the image's order
//! blobs/sha256/<digest>               configuration, manifest
//! index.json  manifest.json  oci-layout
//! ```
//!
//! What `docker save` writes since Docker 25. All members have mode 0644, owner 0:0 and the time 1970-01-01
//! 00:00:01, so the bytes depend on the image alone. Names of blobs have a fixed length: the place of
//! every blob is known before its digest, and its header is written when the digest is.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::members::Members;
use super::{Format, OutputError, Place, WholeFile, layer_error};
use crate::digest::Digest;
use crate::image::Documents;
use crate::layer::tar::{self, BLOCK};
use crate::layer::{BlobSink, LayerError, Slot};

/// An archive being written.
pub struct Archive {
    whole: WholeFile,
    file: ArchiveFile,
}

impl Archive {
    /// An archive for `path`, which must not exist.
    pub fn create(path: &Path, place: Place) -> Result<Archive, OutputError> {
        let whole = WholeFile::create(path, place)?;
        let file = whole.file().try_clone().map_err(|e| OutputError::io(path, e))?;
        Ok(Archive { file: ArchiveFile::new(file, path)?, whole })
    }
}

impl BlobSink for Archive {
    fn open(&mut self, size: Option<u64>) -> Result<Slot, LayerError> {
        self.file.open(size)
    }

    fn close(&mut self, slot: Slot, digest: Digest, size: u64) -> Result<(), LayerError> {
        self.file.close(slot, digest, size)
    }
}

impl Format for Archive {
    fn finish(mut self: Box<Self>, documents: &Documents) -> Result<(), OutputError> {
        self.file.end(documents)?;
        self.whole.finish()
    }
}

/// An open file that becomes an archive.
pub(super) struct ArchiveFile {
    pub(super) file: Arc<File>,
    path: PathBuf,
    /// Where the next member begins.
    end: u64,
    members: Members,
}

impl ArchiveFile {
    /// An archive in `file`, which is empty, and which messages call `path`.
    pub(super) fn new(file: File, path: &Path) -> Result<ArchiveFile, OutputError> {
        let members = Members::new();
        let mut archive = ArchiveFile { file: Arc::new(file), path: path.into(), end: 0, members };
        let directories = archive.members.directories();
        archive.write(&directories, 0)?;
        archive.end = directories.len() as u64;
        Ok(archive)
    }

    /// Adds the documents and the end; the archive's size.
    pub(super) fn end(&mut self, documents: &Documents) -> Result<u64, OutputError> {
        for (name, bytes) in self.members.documents(documents) {
            let size = bytes.len() as u64;
            self.write(&self.members.file(&name, size), self.end)?;
            self.write(bytes, self.end + BLOCK)?;
            self.end += BLOCK + size + tar::padding(size);
        }
        let end = self.end + tar::end_of_archive(self.end);
        self.file.set_len(end).map_err(|e| OutputError::io(&self.path, e))?;
        Ok(end)
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), OutputError> {
        self.file.write_all_at(bytes, at).map_err(|e| OutputError::io(&self.path, e))
    }
}

impl BlobSink for ArchiveFile {
    fn open(&mut self, size: Option<u64>) -> Result<Slot, LayerError> {
        let slot = Slot { file: self.file.clone(), offset: self.end + BLOCK, path: self.path.clone() };
        if let Some(size) = size {
            self.end += BLOCK + size + tar::padding(size);
        }
        Ok(slot)
    }

    fn close(&mut self, slot: Slot, digest: Digest, size: u64) -> Result<(), LayerError> {
        let name = self.members.layer(digest);
        self.write(&self.members.file(&name, size), slot.offset - BLOCK).map_err(layer_error)?;
        self.end = self.end.max(slot.offset + size + tar::padding(size));
        Ok(())
    }
}
