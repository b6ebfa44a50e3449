//! A layer's tar as it is read: hashed on the way, and kept in a temporary file if its blob is compressed.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use crate::base::tar::Source;
use crate::base::{BaseError, OpenedLayer};
use crate::digest::{Digest, Hasher};
use crate::layer::decompress::{Codec, Decompressor};
use crate::layer::{Encoding, Extent, ExtentReader, Progress};

/// Bytes read and hashed at a time.
const CHUNK: usize = 256 << 10;

/// A tar, read from its beginning to its end.
pub(super) struct Stream<'p> {
    tar: BufReader<Box<dyn Read + 'p>>,
    kept: Option<BufWriter<Arc<File>>>,
    place: Place,
    hasher: Hasher,
    scratch: Vec<u8>,
    number: usize,
    diff_id: Digest,
    progress: &'p dyn Progress,
}

/// Where the bytes of a layer's tar can be found again.
#[derive(Clone)]
pub(super) struct Place {
    file: Arc<File>,
    offset: u64,
    path: Arc<Path>,
}

impl Place {
    /// So many bytes of the tar.
    pub(super) fn extent(&self, at: u64, size: u64) -> Extent {
        Extent { file: self.file.clone(), offset: self.offset + at, size, path: self.path.clone() }
    }
}

impl<'p> Stream<'p> {
    /// The tar of `layer`, which is the image's `number`th.
    pub(super) fn new(
        layer: &OpenedLayer,
        number: usize,
        progress: &'p dyn Progress,
    ) -> Result<Stream<'p>, BaseError> {
        let blob = Counted { blob: layer.extent.reader(), progress };
        let codec = match layer.encoding {
            Encoding::Plain => Codec::None,
            Encoding::Gzip => Codec::Gzip,
            Encoding::Zstd => Codec::Zstd,
        };
        let Extent { file, offset, path, .. } = layer.extent.clone();
        let mut stream = Stream {
            tar: BufReader::new(Box::new(io::empty())),
            kept: None,
            place: Place { file, offset, path },
            hasher: Hasher::new(),
            scratch: vec![0; CHUNK],
            number,
            diff_id: layer.diff_id,
            progress,
        };
        let tar: Box<dyn Read + 'p> = match codec {
            Codec::None => Box::new(blob),
            _ => {
                let tar = Decompressor::new(blob, layer.extent.size).map_err(|e| stream.unreadable(e))?;
                if tar.codec() != codec {
                    let (found, expected) = (tar.codec().name(), codec.name());
                    return Err(
                        stream.error(format!("its media type says {expected}, its bytes are {found}"))
                    );
                }
                let file = Arc::new(tempfile::tempfile().map_err(|e| stream.not_kept(e))?);
                stream.kept = Some(BufWriter::with_capacity(CHUNK, file.clone()));
                (stream.place.file, stream.place.offset) = (file, 0);
                Box::new(tar)
            }
        };
        stream.tar = BufReader::with_capacity(CHUNK, tar);
        Ok(stream)
    }

    /// Where the bytes can be found again, once [`Stream::finish`] is done.
    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    /// Reads what follows the tar's end, and compares everything with the diff ID.
    pub(super) fn finish(mut self) -> Result<(), BaseError> {
        self.skip(u64::MAX)?;
        if let Some(mut kept) = self.kept.take() {
            kept.flush().map_err(|e| self.not_kept(e))?;
        }
        match std::mem::take(&mut self.hasher).finish() {
            found if found == self.diff_id => Ok(()),
            found => Err(self.error(format!("its bytes have another diff_id, {found}"))),
        }
    }

    /// Reads up to `buffer`'s length, less at the end alone.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BaseError> {
        if self.progress.cancelled() {
            return Err(BaseError::Interrupted);
        }
        let mut filled = 0;
        while filled < buffer.len() {
            match self.tar.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.unreadable(e)),
            }
        }
        self.hasher.update(&buffer[..filled]);
        if let Some(kept) = &mut self.kept {
            kept.write_all(&buffer[..filled]).map_err(|e| self.not_kept(e))?;
        }
        Ok(filled)
    }

    fn unreadable(&self, source: io::Error) -> BaseError {
        match source.raw_os_error() {
            Some(_) => BaseError::Io { path: self.place.path.to_path_buf(), source },
            None => self.error(source.to_string()),
        }
    }

    fn not_kept(&self, source: io::Error) -> BaseError {
        self.error(format!("it cannot be kept in a temporary file: {source}"))
    }

    fn error(&self, what: String) -> BaseError {
        let path = self.place.path.to_path_buf();
        BaseError::Layer { path, number: self.number, diff_id: self.diff_id, what }
    }
}

impl Source for Stream<'_> {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, BaseError> {
        self.read(buffer)
    }

    fn skip(&mut self, mut count: u64) -> Result<bool, BaseError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        while count > 0 {
            let room = count.min(scratch.len() as u64) as usize;
            match self.read(&mut scratch[..room])? {
                0 => break,
                n => count -= n as u64,
            }
        }
        self.scratch = scratch;
        Ok(count == 0)
    }

    fn wrong(&self, at: u64, what: &str) -> BaseError {
        self.error(format!("at byte {at}: {what}"))
    }
}

/// A blob that tells how much of it was read.
struct Counted<'p> {
    blob: ExtentReader,
    progress: &'p dyn Progress,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.blob.read(buffer)?;
        self.progress.bytes(n as u64);
        Ok(n)
    }
}
