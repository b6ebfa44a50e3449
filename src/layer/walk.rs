//! The entries of a store path, in the order in which they go into a layer.
//!
//! Depth first, a directory before what is in it, siblings by name: the order of Python's
//! `sorted(path.rglob("*"))`, which compares component by component, each by code points (a byte that
//! is not UTF-8 counts as U+DC80 and up, PEP 383). Lazy, so memory does not grow with the tree; by
//! file descriptors and `O_NOFOLLOW`, so no link is ever followed out of the store path.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
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
    /// The innermost of `open`; those above are opened again, as parents, when they are needed.
    descriptors: VecDeque<OwnedFd>,
    started: bool,
}

/// Directories that are kept open: the system allows few, and deeper trees are as good as others.
const KEPT_OPEN: usize = 16;

/// A directory whose entries are being returned.
struct Directory {
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
            descriptors: VecDeque::new(),
            started: false,
        }
    }

    /// The absolute path of the entry that was returned last.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    /// The store path that is walked.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// The next entry and its permission bits.
    pub fn advance(&mut self) -> Result<Option<(u32, Found<'_>)>, LayerError> {
        let name = match self.started {
            false => {
                self.started = true;
                self.top.as_os_str().as_bytes().to_vec()
            }
            true => match self.next_name()? {
                Some(name) => name,
                None => return Ok(None),
            },
        };
        let stat = rustix::fs::statat(self.innermost(), &name[..], AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| self.error(e))?;
        let found = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Found::File(FileHandle { size: stat.st_size as u64, walk: self, name }),
            FileType::Directory => {
                self.enter(&name)?;
                Found::Directory
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(self.innermost(), &name[..], Vec::new())
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
    fn next_name(&mut self) -> Result<Option<Vec<u8>>, LayerError> {
        while let Some(directory) = self.open.last_mut() {
            if let Some(name) = directory.names.pop() {
                self.path.truncate(directory.length);
                self.path.push(b'/');
                self.path.extend_from_slice(&name);
                return Ok(Some(name));
            }
            self.open.pop();
            if let Some(done) = self.descriptors.pop_back()
                && self.descriptors.is_empty()
                && !self.open.is_empty()
            {
                let parent = open_directory(done.as_fd(), b"..");
                self.descriptors.push_back(parent.map_err(|e| LayerError::io(&self.top, e))?);
            }
        }
        Ok(None)
    }

    /// The directory that names are looked up in.
    fn innermost(&self) -> BorrowedFd<'_> {
        self.descriptors.back().map_or(CWD, AsFd::as_fd)
    }

    fn enter(&mut self, name: &[u8]) -> Result<(), LayerError> {
        let fd = open_directory(self.innermost(), name).map_err(|e| self.error(e))?;
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
        self.open.push(Directory { names, length: self.path.len() });
        self.descriptors.push_back(fd);
        if self.descriptors.len() > KEPT_OPEN {
            self.descriptors.pop_front();
        }
        Ok(())
    }

    fn error(&self, source: rustix::io::Errno) -> LayerError {
        LayerError::io(self.path(), source)
    }
}

/// Opens a directory, which may not be a link.
fn open_directory(at: BorrowedFd, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

impl FileHandle<'_> {
    /// Opens the file for reading.
    pub fn open(&self) -> Result<File, LayerError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(self.walk.innermost(), &self.name[..], flags, Mode::empty())
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
