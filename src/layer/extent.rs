//! Bytes inside an open file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Some bytes of a file that was opened once: nothing is opened again by its path.
#[derive(Debug, Clone)]
pub struct Extent {
    /// The file.
    pub file: Arc<File>,
    /// Where they begin.
    pub offset: u64,
    /// How many they are.
    pub size: u64,
    /// The file's path, for messages: shared, because a tree has an extent for each of its files.
    pub path: Arc<Path>,
}

impl Extent {
    /// All of them.
    pub fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.size as usize];
        self.file.read_exact_at(&mut bytes, self.offset)?;
        Ok(bytes)
    }

    /// A reader from the first to the last.
    pub fn reader(&self) -> ExtentReader {
        ExtentReader { extent: self.clone(), at: 0 }
    }
}

/// Reads an [`Extent`].
#[derive(Debug)]
pub struct ExtentReader {
    extent: Extent,
    at: u64,
}

impl io::Read for ExtentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.extent.size - self.at;
        let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = self.extent.file.read_at(&mut buffer[..room], self.extent.offset + self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}
