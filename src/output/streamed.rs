//! The archive (see [`super::archive`]), member after member into a pipe: the same bytes. A member's header
//! comes before its content, so digests and sizes of layers are known before; each is compared with what the
//! layer gives, and what has gone into the pipe by then ends in the middle of a tar.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::members::Members;
use super::{Format, OutputError};
use crate::digest::Digest;
use crate::image::Documents;
use crate::layer::tar;
use crate::layer::{BlobSink, LayerError, Slot};

/// A blob that is to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// What is in it, for messages.
    pub content: String,
}

/// An archive being sent.
pub struct StreamedArchive {
    file: Arc<File>,
    path: PathBuf,
    members: Members,
    expected: VecDeque<Expected>,
    /// Bytes sent.
    end: u64,
}

impl StreamedArchive {
    /// An archive that goes to `file`, which messages call `path`: `expected` are its layers, bottom first.
    pub fn new(file: File, path: PathBuf, expected: Vec<Expected>) -> Result<StreamedArchive, OutputError> {
        let members = Members::new();
        let mut archive =
            StreamedArchive { file: Arc::new(file), path, members, expected: expected.into(), end: 0 };
        let directories = archive.members.directories();
        archive.send(&directories)?;
        Ok(archive)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        (&*self.file).write_all(bytes).map_err(|e| OutputError::io(&self.path, e))?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    fn zeros(&mut self, count: u64) -> Result<(), OutputError> {
        self.send(&[0; tar::RECORD as usize * 2][..count as usize])
    }
}

impl BlobSink for StreamedArchive {
    fn in_order(&self) -> bool {
        true
    }

    fn open(&mut self, _size: Option<u64>) -> Result<Slot, LayerError> {
        if let Some(Expected { digest, size, .. }) = self.expected.front() {
            let (digest, size) = (*digest, *size);
            let name = self.members.layer(digest);
            let header = self.members.file(&name, size);
            self.send(&header).map_err(super::layer_error)?;
        }
        Ok(Slot { file: self.file.clone(), offset: 0, path: self.path.clone() })
    }

    fn close(&mut self, _slot: Slot, digest: Digest, size: u64) -> Result<(), LayerError> {
        if let Some(expected) = self.expected.pop_front()
            && (expected.digest, expected.size) != (digest, size)
        {
            let Expected { digest: expected, content, .. } = expected;
            return Err(LayerError::Differs { content, found: digest, expected });
        }
        self.end += size;
        self.zeros(tar::padding(size)).map_err(super::layer_error)
    }
}

impl Format for StreamedArchive {
    fn finish(mut self: Box<Self>, documents: &Documents) -> Result<(), OutputError> {
        for (name, bytes) in self.members.documents(documents) {
            let size = bytes.len() as u64;
            let header = self.members.file(&name, size);
            self.send(&header)?;
            self.send(bytes)?;
            self.zeros(tar::padding(size))?;
        }
        self.zeros(tar::end_of_archive(self.end))
    }
}

/// Where blobs go whose digests alone are wanted.
pub struct Nowhere(Arc<File>);

impl Nowhere {
    /// The system's file for that.
    pub fn open() -> Result<Nowhere, OutputError> {
        let path = PathBuf::from(Nowhere::PATH);
        let file = File::options().write(true).open(&path).map_err(|e| OutputError::io(&path, e))?;
        Ok(Nowhere(Arc::new(file)))
    }

    const PATH: &str = "/dev/null";
}

impl BlobSink for Nowhere {
    fn link(&mut self, _path: &Path, _digest: Digest) -> Result<bool, LayerError> {
        Ok(true) // its digest is known already
    }

    fn open(&mut self, _size: Option<u64>) -> Result<Slot, LayerError> {
        Ok(Slot { file: self.0.clone(), offset: 0, path: Nowhere::PATH.into() })
    }

    fn close(&mut self, _slot: Slot, _digest: Digest, _size: u64) -> Result<(), LayerError> {
        Ok(())
    }
}
