//! The bytes of a layer, pulled: the one function that every hash, file and upload of a layer comes from.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::LayerError;
use super::extent::ExtentReader;
use super::plan::{Content, Layer, Piece, store_directories};
use super::tar::{self, Shared};
use super::walk::{Found, Walk};

/// Where content is read from.
enum Source {
    File(File),
    Extent(ExtentReader),
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Source::File(file) => file.read(buffer),
            Source::Extent(extent) => extent.read(buffer),
        }
    }
}

/// Reads a [`Layer`] from its first byte to its last.
pub struct LayerReader<'l> {
    shared: &'l Shared,
    pieces: std::slice::Iter<'l, Piece>,
    /// Bytes that are ready: headers.
    ready: Vec<u8>,
    taken: usize,
    /// Then the content of a file.
    file: Option<(Source, PathBuf, u64)>,
    /// Then zeros.
    zeros: u64,
    /// Then the rest of a store path, which must come to so many bytes.
    walk: Option<(Walk, u64)>,
}

impl<'l> LayerReader<'l> {
    /// A reader at the beginning of `layer`.
    pub fn new(layer: &'l Layer, shared: &'l Shared) -> LayerReader<'l> {
        LayerReader {
            shared,
            pieces: layer.pieces.iter(),
            ready: Vec::new(),
            taken: 0,
            file: None,
            zeros: 0,
            walk: None,
        }
    }

    /// Fills `buffer`; fewer bytes mean that the layer ends with them.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, LayerError> {
        let mut filled = 0;
        while filled < buffer.len() {
            let room = &mut buffer[filled..];
            if self.taken < self.ready.len() {
                let n = room.len().min(self.ready.len() - self.taken);
                room[..n].copy_from_slice(&self.ready[self.taken..self.taken + n]);
                self.taken += n;
                filled += n;
            } else if let Some((file, path, left)) = &mut self.file {
                let n = room.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                read_exactly(file, &mut room[..n], path)?;
                *left -= n as u64;
                filled += n;
                if *left == 0 {
                    self.file = None;
                }
            } else if self.zeros > 0 {
                let n = room.len().min(usize::try_from(self.zeros).unwrap_or(usize::MAX));
                room[..n].fill(0);
                self.zeros -= n as u64;
                filled += n;
            } else if !self.advance()? {
                break;
            }
        }
        Ok(filled)
    }

    /// Makes more bytes available; false at the layer's end.
    fn advance(&mut self) -> Result<bool, LayerError> {
        self.ready.clear();
        self.taken = 0;
        if self.walk.is_some() {
            return self.next_entry().map(|()| true);
        }
        match self.pieces.next() {
            None => return Ok(false),
            Some(Piece::StoreDirectories(store)) => self.ready = store_directories(store, self.shared),
            Some(Piece::StorePath(path, size)) => self.walk = Some((Walk::new(path), *size)),
            Some(Piece::Zeros(count)) => self.zeros = *count,
            Some(Piece::Bytes(bytes)) => self.ready.extend_from_slice(bytes),
            Some(Piece::Extent(extent)) => {
                let source = Source::Extent(extent.reader());
                self.file = (extent.size > 0).then(|| (source, extent.path.to_path_buf(), extent.size));
            }
            Some(Piece::Tar(path, size)) => {
                let file = File::open(path).map_err(|e| LayerError::io(path, e))?;
                self.file = (*size > 0).then(|| (Source::File(file), path.clone(), *size));
            }
        }
        Ok(true)
    }

    /// The next entry of the store path at hand, or its end.
    fn next_entry(&mut self) -> Result<(), LayerError> {
        let Some((walk, left)) = &mut self.walk else { return Ok(()) };
        let (mode, content) = match walk.advance()? {
            None => {
                if *left != 0 {
                    return Err(LayerError::Changed(walk.path().to_path_buf()));
                }
                self.walk = None;
                return Ok(());
            }
            Some((mode, Found::Directory)) => (mode, Content::Directory),
            Some((mode, Found::Symlink(target))) => (mode, Content::Symlink(target)),
            Some((mode, Found::File(handle))) => {
                let size = handle.size;
                if size > 0 {
                    let file = handle.open()?;
                    self.file = Some((Source::File(file), PathBuf::new(), size));
                }
                (mode, Content::File(size))
            }
        };
        content.header(walk.path().as_os_str().as_encoded_bytes(), mode, self.shared, &mut self.ready);
        let mut bytes = self.ready.len() as u64;
        if let Content::File(size) = content {
            self.zeros = tar::padding(size);
            bytes += size + self.zeros;
            if let Some((_, path, _)) = &mut self.file {
                path.push(walk.path());
            }
        }
        // The layer's place and size were fixed when it was measured.
        match left.checked_sub(bytes) {
            Some(rest) => *left = rest,
            None => return Err(LayerError::Changed(walk.path().to_path_buf())),
        }
        Ok(())
    }
}

fn read_exactly(file: &mut Source, buffer: &mut [u8], path: &Path) -> Result<(), LayerError> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(LayerError::Changed(path.to_path_buf()))
        }
        Err(e) => Err(LayerError::io(path, e)),
    }
}
