//! An archive that is compressed as a whole, as dockerTools' `compressor` asks for: members of a gzip file,
//! or frames of a zstd one, side by side on all cores, so that the bytes do not depend on how many there are.
//!
//! Blobs are written at their places before their digests are known, and a compressed file has no places:
//! the plain archive is in a temporary file first, which has no name and is gone with this process.

use std::path::{Path, PathBuf};

use super::archive::ArchiveFile;
use super::{BlobFile, Format, OutputError, Place, WholeFile};
use crate::digest::Digest;
use crate::image::Documents;
use crate::layer::{self, BlobSink, Extent, LayerError, Progress, Slot};
use crate::spec::Compression;

/// How an archive is compressed.
#[derive(Clone, Copy)]
pub struct Packing<'p> {
    /// Codec and level.
    pub compression: Compression,
    /// Where the plain archive is meanwhile.
    pub temporary: &'p Path,
    /// Threads to use; never changes a byte.
    pub threads: usize,
    /// Told what goes on.
    pub progress: &'p dyn Progress,
}

/// A compressed archive being written.
pub struct PackedArchive<'p> {
    whole: WholeFile,
    path: PathBuf,
    plain: ArchiveFile,
    packing: Packing<'p>,
}

impl<'p> PackedArchive<'p> {
    /// An archive for `path`, which must not exist.
    pub fn create(path: &Path, place: Place, packing: Packing<'p>) -> Result<PackedArchive<'p>, OutputError> {
        let whole = WholeFile::create(path, place)?;
        let file =
            tempfile::tempfile_in(packing.temporary).map_err(|e| OutputError::io(packing.temporary, e))?;
        let plain = ArchiveFile::new(file, packing.temporary)?;
        Ok(PackedArchive { whole, path: path.into(), plain, packing })
    }
}

impl BlobSink for PackedArchive<'_> {
    fn open(&mut self, size: Option<u64>) -> Result<Slot, LayerError> {
        self.plain.open(size)
    }

    fn close(&mut self, slot: Slot, digest: Digest, size: u64) -> Result<(), LayerError> {
        self.plain.close(slot, digest, size)
    }
}

impl Format for PackedArchive<'_> {
    fn finish(mut self: Box<Self>, documents: &Documents) -> Result<(), OutputError> {
        let Packing { compression, temporary, threads, progress } = self.packing;
        let size = self.plain.end(documents)?;
        let plain = Extent { file: self.plain.file.clone(), offset: 0, size, path: temporary.into() };
        let file = self.whole.file().try_clone().map_err(|e| OutputError::io(&self.path, e))?;
        let mut packed = BlobFile::of(file, &self.path);
        layer::compress_file(plain, compression, threads, &mut packed, progress)?;
        self.whole.finish()
    }
}
