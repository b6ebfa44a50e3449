//! Sources being merged: names, and where each thing comes from, as long as that can decide what stays.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::tree::{self, Attributes, Content, DIRECTORY_MODE};

/// The entries of a directory, by name.
pub type Tree = BTreeMap<OsString, Node>;

/// What has been merged, without its history.
pub fn finish(tree: Tree) -> tree::Directory {
    let node = |node| match node {
        Node::Directory(directory) => tree::Node::Directory(finish(directory.entries)),
        Node::Leaf(leaf) => tree::Node::Leaf(match leaf.kind {
            LeafKind::Link(target) => tree::Leaf {
                kind: tree::LeafKind::Link(target.into_os_string()),
                attributes: Attributes::of_mode(0o777),
            },
            LeafKind::File(size, mode) => tree::Leaf {
                kind: tree::LeafKind::File(Content::Path(leaf.entry.into_os_string(), size)),
                attributes: Attributes::of_mode(mode),
            },
        }),
    };
    let entries = tree.into_iter().map(|(name, child)| (name, node(child))).collect();
    tree::Directory { entries, attributes: Attributes::of_mode(DIRECTORY_MODE) }
}

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
    /// What becomes of files.
    pub way: Way,
}

/// What becomes of a source's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Links to the store (`contents`).
    Link,
    /// Copies (`copyToRoot`).
    Copy {
        /// Whether links to directories stay links, or become copies of the directories.
        keep_dirlinks: bool,
    },
}
