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

use super::{Format, OCI_LAYOUT, OutputError, Place, WholeFile, layer_error};
use crate::digest::Digest;
use crate::image::{Documents, blob_path};
use crate::layer::tar::{self, BLOCK, Entry, Kind, Shared};
use crate::layer::{BlobSink, LayerError, Slot};
use crate::spec::Owner;

/// An archive being written.
pub struct Archive {
    whole: WholeFile,
    file: Arc<File>,
    path: PathBuf,
    /// Where the next member begins.
    end: u64,
    members: Shared,
    written: Vec<Digest>,
}

impl Archive {
    /// An archive for `path`, which must not exist.
    pub fn create(path: &Path, place: Place) -> Result<Archive, OutputError> {
        let whole = WholeFile::create(path, place)?;
        let file = Arc::new(whole.file().try_clone().map_err(|e| OutputError::io(path, e))?);
        let owner = Owner { uid: 0, gid: 0, uname: String::new(), gname: String::new() };
        let members = Shared { mtime: 1, owner };
        let mut archive =
            Archive { whole, file, path: path.to_path_buf(), end: 0, members, written: Vec::new() };
        for name in ["blobs/", "blobs/sha256/"] {
            archive.header(archive.end, name, 0o755, Kind::Directory)?;
            archive.end += BLOCK;
        }
        Ok(archive)
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), OutputError> {
        self.file.write_all_at(bytes, at).map_err(|e| OutputError::io(&self.path, e))
    }

    /// Writes the header of the member that begins at `at`.
    fn header(&self, at: u64, name: &str, mode: u32, kind: Kind) -> Result<(), OutputError> {
        self.write(&self.members.one_block(&Entry { name: name.as_bytes(), mode, kind }), at)
    }

    fn member(&mut self, name: &str, bytes: &[u8]) -> Result<(), OutputError> {
        let size = bytes.len() as u64;
        self.header(self.end, name, 0o644, Kind::File(size))?;
        self.write(bytes, self.end + BLOCK)?;
        self.end += BLOCK + size + tar::padding(size);
        Ok(())
    }

    fn blob(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), OutputError> {
        if self.written.contains(&digest) {
            return Ok(());
        }
        self.written.push(digest);
        self.member(&blob_path(digest), bytes)
    }
}

impl BlobSink for Archive {
    fn open(&mut self, size: Option<u64>) -> Result<Slot, LayerError> {
        let slot = Slot { file: self.file.clone(), offset: self.end + BLOCK, path: self.path.clone() };
        if let Some(size) = size {
            self.end += BLOCK + size + tar::padding(size);
        }
        Ok(slot)
    }

    fn close(&mut self, slot: Slot, digest: Digest, size: u64) -> Result<(), LayerError> {
        // Two files of a docker-archive may have the same bytes, which is known too late: the second copy
        // keeps its place under a name that nobody looks for.
        let name = match self.written.contains(&digest) {
            false => blob_path(digest),
            true => format!("blobs/duplicate-{}", self.written.len()),
        };
        self.header(slot.offset - BLOCK, &name, 0o644, Kind::File(size)).map_err(layer_error)?;
        self.end = self.end.max(slot.offset + size + tar::padding(size));
        self.written.push(digest);
        Ok(())
    }
}

impl Format for Archive {
    fn finish(mut self: Box<Self>, documents: &Documents) -> Result<(), OutputError> {
        for document in &documents.blobs {
            self.blob(document.digest, &document.bytes)?;
        }
        self.member("index.json", &documents.index)?;
        self.member("manifest.json", &documents.docker_manifest)?;
        self.member("oci-layout", OCI_LAYOUT)?;
        let end = self.end + tar::end_of_archive(self.end);
        self.file.set_len(end).map_err(|e| OutputError::io(&self.path, e))?;
        self.whole.finish()
    }
}
