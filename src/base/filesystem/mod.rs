//! The file system that an image's layers make together: a tree in memory, of metadata and of places in
//! the layers' tars. Nothing is unpacked, so nothing in a layer can reach a file of this machine: links are
//! followed in the tree alone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use crate::layer::Extent;
use crate::layer::tar::Xattrs;

/// A directory.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    /// Its own metadata.
    pub metadata: Metadata,
    /// What is in it, by name: never empty, `.` or `..`, and without a slash.
    pub entries: BTreeMap<OsString, Entry>,
}

/// Something in a directory.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A directory.
    Directory(Directory),
    /// Anything else; hard links of one file share it.
    Inode(Arc<Inode>),
}

/// What is not a directory.
#[derive(Debug, Clone)]
pub struct Inode {
    /// Owner, mode, time.
    pub metadata: Metadata,
    /// What it is.
    pub kind: InodeKind,
}

/// What an inode is.
#[derive(Debug, Clone)]
pub enum InodeKind {
    /// A regular file with these bytes.
    File(Extent),
    /// A symbolic link to this target.
    Symlink(Vec<u8>),
    /// A character device: major and minor number.
    Character(u32, u32),
    /// A block device: major and minor number.
    Block(u32, u32),
    /// A FIFO.
    Fifo,
}

/// What a layer says of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits, at most 0o7777.
    pub mode: u32,
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// User name.
    pub uname: String,
    /// Group name.
    pub gname: String,
    /// Modification time, in seconds since 1970.
    pub mtime: i64,
    /// Extended attributes.
    pub xattrs: Xattrs,
}
