//! The tree of a root layer before it is written: names, and where each thing comes from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The entries of a directory, by name.
pub type Tree = BTreeMap<OsString, Node>;

/// Something in the tree.
#[derive(Debug)]
pub enum Node {
    /// A directory.
    Directory(Directory),
    /// A file or link.
    Leaf(Leaf),
}

/// A directory, and where its first source has it.
#[derive(Debug)]
pub struct Directory {
    /// What is in it.
    pub entries: Tree,
    /// The directory in the store.
    pub entry: PathBuf,
    /// The source that brought it first.
    pub origin: Origin,
}

/// A file or link, and where it comes from.
#[derive(Debug)]
pub struct Leaf {
    /// What is written.
    pub kind: LeafKind,
    /// The entry that it stands for, in the store.
    pub entry: PathBuf,
    /// The source that brought it.
    pub origin: Origin,
}

/// What a leaf is in the layer.
#[derive(Debug)]
pub enum LeafKind {
    /// A symbolic link.
    Link(PathBuf),
    /// A copy of the entry: size in bytes, permission bits.
    File(u64, u32),
}

/// Which element of which argument brought something, and how.
#[derive(Debug, Clone)]
pub struct Origin {
    /// `contents[2]`, for errors.
    pub argument: String,
    /// The lower wins.
    pub priority: i64,
    /// Whether files become links to the store (`contents`) or copies (`copyToRoot`).
    pub linked: bool,
}
