//! The entries of a store path, in the order in which they go into a layer.
//!
//! Depth first, a directory before what is in it, siblings by name: the order of Python's
//! `sorted(path.rglob("*"))`, which compares component by component, each by code points (a byte that
//! is not UTF-8 counts as U+DC80 and up, PEP 383). Lazy, so memory does not grow with the tree; by
//! file descriptors and `O_NOFOLLOW`, so no link is ever followed out of the store path.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};

use super::LayerError;

/// One entry.
pub enum Found<'w> {
    /// A regular file (every hard link is one).
    File(FileHandle<'w>),
    /// A directory.
    Directory,
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
}

/// A regular file that can be opened.
pub struct FileHandle<'w> {
    /// Size in bytes.
    pub size: u64,
    walk: &'w Walk,
    name: Vec<u8>,
}

/// A walk under way.
pub struct Walk {
    top: PathBuf,
    /// Path of the entry that was returned last; those of `open` are its prefixes.
    path: Vec<u8>,
    open: Vec<Directory>,
    started: bool,
}

/// A directory whose entries are being returned.
struct Directory {
    fd: OwnedFd,
    /// Names to come, the next one last.
    names: Vec<Vec<u8>>,
    /// Length of the directory's own path.
    length: usize,
}

impl Walk {
    /// A walk of the store path `top`.
    pub fn new(top: &Path) -> Walk {
        Walk {
            top: top.to_path_buf(),
            path: top.as_os_str().as_bytes().to_vec(),
            open: Vec::new(),
            started: false,
        }
    }

    /// The absolute path of the entry that was returned last.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    /// The next entry and its permission bits.
    pub fn advance(&mut self) -> Result<Option<(u32, Found<'_>)>, LayerError> {
        let name = match self.started {
            false => {
                self.started = true;
                self.top.as_os_str().as_bytes().to_vec()
            }
            true => match self.next_name() {
                Some(name) => name,
                None => return Ok(None),
            },
        };
        let stat = match self.open.last() {
            Some(directory) => rustix::fs::statat(&directory.fd, &name[..], AtFlags::SYMLINK_NOFOLLOW),
            None => rustix::fs::statat(CWD, &name[..], AtFlags::SYMLINK_NOFOLLOW),
        }
        .map_err(|e| self.error(e))?;
        let found = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Found::File(FileHandle { size: stat.st_size as u64, walk: self, name }),
            FileType::Directory => {
                self.enter(&name)?;
                Found::Directory
            }
            FileType::Symlink => {
                let target = match self.open.last() {
                    Some(directory) => rustix::fs::readlinkat(&directory.fd, &name[..], Vec::new()),
                    None => rustix::fs::readlinkat(CWD, &name[..], Vec::new()),
                }
                .map_err(|e| self.error(e))?;
                Found::Symlink(target.into_bytes())
            }
            other => {
                let kind = match other {
                    FileType::Fifo => "FIFO",
                    FileType::Socket => "socket",
                    FileType::CharacterDevice => "character device",
                    FileType::BlockDevice => "block device",
                    _ => "special file",
                };
                return Err(LayerError::Special { path: self.path().to_path_buf(), kind });
            }
        };
        Ok(Some((stat.st_mode & 0o7777, found)))
    }

    /// Leaves the directories that are done, and makes `path` that of the next entry.
    fn next_name(&mut self) -> Option<Vec<u8>> {
        while let Some(directory) = self.open.last_mut() {
            if let Some(name) = directory.names.pop() {
                self.path.truncate(directory.length);
                self.path.push(b'/');
                self.path.extend_from_slice(&name);
                return Some(name);
            }
            self.open.pop();
        }
        None
    }

    fn enter(&mut self, name: &[u8]) -> Result<(), LayerError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = match self.open.last() {
            Some(directory) => rustix::fs::openat(&directory.fd, name, flags, Mode::empty()),
            None => rustix::fs::openat(CWD, name, flags, Mode::empty()),
        }
        .map_err(|e| self.error(e))?;
        let mut names = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut entries = rustix::fs::RawDir::new(&fd, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|e| self.error(e))?;
            let name = entry.file_name().to_bytes();
            if name.starts_with(b".wh.") {
                return Err(LayerError::Whiteout(self.path().join(OsStr::from_bytes(name))));
            }
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        names.sort_unstable_by(|a, b| compare_names(b, a));
        self.open.push(Directory { fd, names, length: self.path.len() });
        Ok(())
    }

    fn error(&self, source: rustix::io::Errno) -> LayerError {
        LayerError::io(self.path(), source)
    }
}

impl FileHandle<'_> {
    /// Opens the file for reading.
    pub fn open(&self) -> Result<File, LayerError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match self.walk.open.last() {
            Some(directory) => rustix::fs::openat(&directory.fd, &self.name[..], flags, Mode::empty()),
            None => rustix::fs::openat(CWD, &self.name[..], flags, Mode::empty()),
        }
        .map(File::from)
        .map_err(|e| self.walk.error(e))
    }
}

/// Python's order of file names: by code points, bytes that are not UTF-8 as lone surrogates.
fn compare_names(a: &[u8], b: &[u8]) -> Ordering {
    fn code_points(name: &[u8]) -> impl Iterator<Item = u32> + '_ {
        name.utf8_chunks().flat_map(|chunk| {
            let escaped = chunk.invalid().iter().map(|&byte| 0xDC00 + u32::from(byte));
            chunk.valid().chars().map(u32::from).chain(escaped)
        })
    }
    // UTF-8 sorts like the code points it encodes; only other bytes need a closer look.
    match std::str::from_utf8(a).is_ok() && std::str::from_utf8(b).is_ok() {
        true => a.cmp(b),
        false => code_points(a).cmp(code_points(b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_python_sorts_them() {
        // sorted(os.listdir(...)) of CPython: U+DCFF (the byte 0xFF) comes before U+E000 and after U+D7FF.
        let expected: [&[u8]; 6] = [
            b"a",
            "\u{e9}".as_bytes(),
            "\u{d7ff}".as_bytes(),
            b"\xff",
            "\u{e000}".as_bytes(),
            "\u{1f600}".as_bytes(),
        ];
        let mut names = expected;
        names.reverse();
        names.sort_by(|a, b| compare_names(a, b));
        assert_eq!(names, expected);
    }
}
