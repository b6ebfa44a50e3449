//! A root file system as one tar, without layers: what `docker export` writes, and dockerTools' `exportImage`.
//!
//! Names begin with `./`; a directory comes before what is in it, names in the order of their bytes. Everything
//! keeps its own mode, owner, time and extended attributes. A file comes once, under its first name; its other
//! names are hard links to that.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::OutputError;
use crate::base::filesystem::{Directory, Entry, Inode, InodeKind, Metadata};
use crate::layer::tar::{self, Kind, Shared};
use crate::layer::{Extent, Progress};
use crate::spec::Owner;

/// Bytes copied at a time.
const CHUNK: usize = 256 << 10;

/// Why a file system could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FlatError {
    /// The tar cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A file's content cannot be read any more.
    #[error("{}: {name}: {source}", path.display())]
    Content {
        /// The image's file that it is in.
        path: PathBuf,
        /// The file's name in the image.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The user or Nix asked us to stop.
    #[error("interrupted")]
    Interrupted,
}

/// How many bytes of files there are, each file counted once.
pub fn content_size(root: &Directory) -> u64 {
    fn size(directory: &Directory, seen: &mut HashSet<*const Inode>) -> u64 {
        let sizes = directory.entries.values().map(|entry| match entry {
            Entry::Directory(directory) => size(directory, seen),
            Entry::Inode(inode) => match &inode.kind {
                InodeKind::File(extent) if is_new(inode, seen) => extent.size,
                _ => 0,
            },
        });
        sizes.fold(0, u64::saturating_add)
    }
    size(root, &mut HashSet::new())
}

/// Whether this is the first name of an inode.
fn is_new(inode: &Arc<Inode>, seen: &mut HashSet<*const Inode>) -> bool {
    Arc::strong_count(inode) == 1 || seen.insert(Arc::as_ptr(inode))
}

/// Writes `root` to `out`, which is called `path` in messages. Tells `progress` of bytes of files.
pub fn write_flat(
    root: &Directory,
    out: impl Write,
    path: &Path,
    progress: &dyn Progress,
) -> Result<(), FlatError> {
    let out = BufWriter::with_capacity(4 * CHUNK, out);
    let mut tar = Tar { out, path, progress, size: 0, names: HashMap::new(), chunk: vec![0; CHUNK] };
    let mut name = b"./".to_vec();
    tar.header(&name, &root.metadata, Kind::Directory)?;
    tar.directory(root, &mut name)?;
    tar.bytes(&vec![0; tar::end_of_archive(tar.size) as usize])?;
    tar.out.flush().map_err(|e| OutputError::io(path, e))?;
    Ok(())
}

struct Tar<'t, W: Write> {
    out: BufWriter<W>,
    path: &'t Path,
    progress: &'t dyn Progress,
    size: u64,
    /// Names of the inodes that have several, the first of each.
    names: HashMap<*const Inode, Vec<u8>>,
    chunk: Vec<u8>,
}

impl<W: Write> Tar<'_, W> {
    /// What is in the directory whose name, with its slash, is `name`.
    fn directory(&mut self, directory: &Directory, name: &mut Vec<u8>) -> Result<(), FlatError> {
        let length = name.len();
        for (child, entry) in &directory.entries {
            name.extend_from_slice(child.as_bytes());
            match entry {
                Entry::Inode(inode) => self.inode(inode, name)?,
                Entry::Directory(directory) => {
                    name.push(b'/');
                    self.header(name, &directory.metadata, Kind::Directory)?;
                    self.directory(directory, name)?;
                }
            }
            name.truncate(length);
        }
        Ok(())
    }

    fn inode(&mut self, inode: &Arc<Inode>, name: &[u8]) -> Result<(), FlatError> {
        let metadata = &inode.metadata;
        if let Some(first) = self.names.get(&Arc::as_ptr(inode)) {
            let first = first.clone();
            return self.header(name, metadata, Kind::Hardlink(&first));
        }
        if Arc::strong_count(inode) > 1 {
            self.names.insert(Arc::as_ptr(inode), name.to_vec());
        }
        match &inode.kind {
            InodeKind::File(extent) => {
                self.header(name, metadata, Kind::File(extent.size))?;
                self.content(extent, name)?;
                self.bytes(&[0; tar::BLOCK as usize][..tar::padding(extent.size) as usize])
            }
            InodeKind::Symlink(target) => self.header(name, metadata, Kind::Symlink(target)),
            &InodeKind::Character(major, minor) => self.header(name, metadata, Kind::Character(major, minor)),
            &InodeKind::Block(major, minor) => self.header(name, metadata, Kind::Block(major, minor)),
            InodeKind::Fifo => self.header(name, metadata, Kind::Fifo),
        }
    }

    fn header(&mut self, name: &[u8], metadata: &Metadata, kind: Kind) -> Result<(), FlatError> {
        let Metadata { mode, uid, gid, uname, gname, mtime, xattrs } = metadata;
        let owner = Owner { uid: *uid, gid: *gid, uname: uname.to_string(), gname: gname.to_string() };
        let mut header = Vec::new();
        let entry = tar::Entry { name, mode: *mode, kind };
        Shared { mtime: *mtime, owner }.header_with(&entry, xattrs, &mut header);
        self.bytes(&header)
    }

    fn content(&mut self, extent: &Extent, name: &[u8]) -> Result<(), FlatError> {
        let mut chunk = std::mem::take(&mut self.chunk);
        let mut reader = extent.reader();
        let mut left = extent.size;
        while left > 0 {
            let read = match reader.read(&mut chunk) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) => Err(io::Error::other("it became shorter while it was read")),
                other => other,
            };
            let n = read.map_err(|source| {
                let name = String::from_utf8_lossy(name).into_owned();
                FlatError::Content { path: extent.path.to_path_buf(), name, source }
            })?;
            self.bytes(&chunk[..n])?;
            self.progress.bytes(n as u64);
            left -= n as u64;
        }
        self.chunk = chunk;
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), FlatError> {
        if self.progress.cancelled() {
            return Err(FlatError::Interrupted);
        }
        self.size += bytes.len() as u64;
        Ok(self.out.write_all(bytes).map_err(|e| OutputError::io(self.path, e))?)
    }
}
