//! A root layer before it is written: names, and what each of them is.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::layer::tar::Xattrs;
use crate::spec::PartialOwner;

/// A directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Directory {
    /// What is in it, by name.
    #[serde(with = "pairs")]
    pub entries: BTreeMap<OsString, Node>,
    /// Its own mode and owner.
    pub attributes: Attributes,
}

/// Something in a directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Node {
    /// A directory.
    Directory(Directory),
    /// Anything else.
    Leaf(Leaf),
}

/// What is no directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leaf {
    /// What it is.
    pub kind: LeafKind,
    /// Its mode and owner.
    pub attributes: Attributes,
}

/// What a leaf is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum LeafKind {
    /// A symbolic link.
    Link(OsString),
    /// A regular file.
    File(Content),
    /// A character device: major and minor number.
    Character(u32, u32),
    /// A block device: major and minor number.
    Block(u32, u32),
    /// A FIFO.
    Fifo,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Content {
    /// What the file at this path holds: so many bytes.
    Path(OsString, u64),
    /// This.
    Bytes(Vec<u8>),
}

impl Content {
    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        match self {
            Content::Path(_, size) => *size,
            Content::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

/// Mode, owner and extended attributes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Attributes {
    /// Permission bits, at most 0o7777.
    pub mode: u32,
    /// What is said of the owner; the image's default says the rest.
    pub owner: PartialOwner,
    /// Extended attributes.
    #[serde(default, skip_serializing_if = "Xattrs::is_empty", with = "pairs")]
    pub xattrs: Xattrs,
}

/// The mode of directories of which nobody says one.
pub const DIRECTORY_MODE: u32 = 0o755;

impl Attributes {
    /// This mode, and nothing said of the owner.
    pub fn of_mode(mode: u32) -> Attributes {
        Attributes { mode, ..Attributes::default() }
    }

    /// Whether they are what a directory has that is there for what is in it.
    pub fn say_nothing_of_a_directory(&self) -> bool {
        *self == Attributes::of_mode(DIRECTORY_MODE)
    }

    /// Takes over what a rule says.
    pub fn adjust(&mut self, mode: Option<u32>, owner: &PartialOwner) {
        self.mode = mode.unwrap_or(self.mode);
        // A number without a name is somebody else than the one who had the name.
        if owner.uid.is_some() {
            (self.owner.uid, self.owner.uname) = (owner.uid, None);
        }
        if owner.gid.is_some() {
            (self.owner.gid, self.owner.gname) = (owner.gid, None);
        }
        self.owner.uname = owner.uname.clone().or(self.owner.uname.take());
        self.owner.gname = owner.gname.clone().or(self.owner.gname.take());
    }
}

impl Default for Directory {
    fn default() -> Directory {
        Directory { entries: BTreeMap::new(), attributes: Attributes::of_mode(DIRECTORY_MODE) }
    }
}

/// Something is in the way of a directory.
#[derive(Debug, PartialEq, Eq)]
pub struct InTheWay(pub PathBuf);

impl Directory {
    /// The directory at `path`, an absolute one, made with those above it where they are missing.
    pub fn make(&mut self, path: &Path) -> Result<&mut Directory, InTheWay> {
        let mut directory = self;
        for (depth, name) in names(path).enumerate() {
            let node = directory
                .entries
                .entry(name.to_os_string())
                .or_insert_with(|| Node::Directory(Directory::default()));
            directory = match node {
                Node::Directory(directory) => directory,
                Node::Leaf(_) => {
                    return Err(InTheWay(
                        Path::new("/").join(names(path).take(depth + 1).collect::<PathBuf>()),
                    ));
                }
            };
        }
        Ok(directory)
    }

    /// What is at `path`, an absolute one and not `/`, to be changed; links are not followed.
    pub fn get_mut(&mut self, path: &Path) -> Option<&mut Node> {
        let mut names = names(path);
        let mut node = self.entries.get_mut(names.next()?)?;
        for name in names {
            match node {
                Node::Directory(directory) => node = directory.entries.get_mut(name)?,
                Node::Leaf(_) => return None,
            }
        }
        Some(node)
    }

    /// What is at `path`, an absolute one; links are not followed.
    pub fn get(&self, path: &Path) -> Option<&Node> {
        let mut names = names(path);
        let mut node = self.entries.get(names.next()?)?;
        for name in names {
            match node {
                Node::Directory(directory) => node = directory.entries.get(name)?,
                Node::Leaf(_) => return None,
            }
        }
        Some(node)
    }
}

fn names(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    })
}

/// Maps whose keys are no text, as JSON's must be: lists of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub fn deserialize<'d, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'d> + Ord,
        V: Deserialize<'d>,
        D: Deserializer<'d>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
