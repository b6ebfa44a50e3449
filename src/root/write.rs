//! The tree as a tar: names begin with `./`, directories are 0755, files keep the store's mode (0444 or
//! 0555), links are 0777; names in the order of their bytes.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::RootError;
use super::recorded::RecordedLayer;
use super::tree::{Leaf, LeafKind, Node, Tree};
use crate::digest::Hasher;
use crate::layer::Progress;
use crate::layer::tar::{self, Entry, Kind, Shared};

/// Writes `tree` as a tar to the new file `path`.
pub(super) fn write(
    tree: &Tree,
    shared: &Shared,
    path: &Path,
    progress: &dyn Progress,
) -> Result<RecordedLayer, RootError> {
    let error = |e| RootError::io(path, e);
    let file = File::create_new(path).map_err(error)?;
    let mut tar = Tar {
        shared,
        path,
        progress,
        out: BufWriter::with_capacity(1 << 20, file),
        hasher: Hasher::new(),
        size: 0,
    };
    tar.entry(b"./", 0o755, Kind::Directory)?;
    tar.directory(tree, &mut b"./".to_vec())?;
    let members = tar.size;
    tar.bytes(&vec![0; tar::end_of_archive(members) as usize])?;
    tar.out.flush().map_err(error)?;
    Ok(RecordedLayer { digest: tar.hasher.finish(), size: tar.size, members })
}

struct Tar<'t> {
    shared: &'t Shared,
    path: &'t Path,
    progress: &'t dyn Progress,
    out: BufWriter<File>,
    hasher: Hasher,
    size: u64,
}

impl Tar<'_> {
    /// The entries of a directory whose name, with its slash, is `name`.
    fn directory(&mut self, tree: &Tree, name: &mut Vec<u8>) -> Result<(), RootError> {
        let length = name.len();
        for (child, node) in tree {
            name.extend_from_slice(child.as_bytes());
            match node {
                Node::Leaf(leaf) => self.leaf(leaf, name)?,
                Node::Directory(directory) => {
                    name.push(b'/');
                    self.entry(name, 0o755, Kind::Directory)?;
                    self.directory(&directory.entries, name)?;
                }
            }
            name.truncate(length);
        }
        Ok(())
    }

    fn leaf(&mut self, leaf: &Leaf, name: &[u8]) -> Result<(), RootError> {
        match &leaf.kind {
            LeafKind::Link(target) => self.entry(name, 0o777, Kind::Symlink(target.as_os_str().as_bytes())),
            LeafKind::File(size, mode) => {
                self.entry(name, *mode, Kind::File(*size))?;
                self.content(&leaf.entry, *size)?;
                self.bytes(&[0; tar::BLOCK as usize][..tar::padding(*size) as usize])
            }
        }
    }

    fn entry(&mut self, name: &[u8], mode: u32, kind: Kind) -> Result<(), RootError> {
        let mut header = Vec::new();
        self.shared.header(&Entry { name, mode, kind }, &mut header);
        self.bytes(&header)
    }

    fn content(&mut self, path: &Path, size: u64) -> Result<(), RootError> {
        let mut file = File::open(path).map_err(|e| RootError::io(path, e))?.take(size + 1);
        let mut chunk = vec![0; 256 << 10];
        let mut left = size;
        loop {
            let n = match file.read(&mut chunk) {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(RootError::io(path, e)),
            };
            match left.checked_sub(n as u64) {
                Some(rest) if n > 0 => left = rest,
                Some(0) => return Ok(()),
                _ => return Err(RootError::Changed(path.to_path_buf())),
            }
            self.bytes(&chunk[..n])?;
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), RootError> {
        if self.progress.cancelled() {
            return Err(RootError::Interrupted);
        }
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.out.write_all(bytes).map_err(|e| RootError::io(self.path, e))
    }
}
