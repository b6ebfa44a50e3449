//! What a script has changed in a tree, as a layer says it: what is new or different, and whiteouts for what
//! is gone (OCI image-spec, layer.md, "Representing Changes").
//!
//! A file is different if its inode or the time of its last change (`st_ctime`, which nobody can set) is, or
//! what is recorded of it. A directory that was removed and made again hides what it had with an opaque
//! whiteout.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Stat;

use super::disk::{Disk, DiskError, identity};
use crate::fakeroot::Identity;
use crate::root::tree::{Attributes, Content, Directory, Leaf, LeafKind, Node};
use crate::spec::PartialOwner;

/// A kernel's clock for files ticks at least so often (`CONFIG_HZ=100`), and once more for good measure.
const TICK: Duration = Duration::from_millis(20);

/// What the names of whiteouts begin with.
const WHITEOUT: &str = ".wh.";

/// Hides what lower layers have in its directory.
const OPAQUE: &str = ".wh..wh..opq";

/// What has the name of a whiteout, if it passes `judged`: the first by its path.
pub fn named_as_whiteout(tree: &Directory, judged: impl Fn(&Node) -> bool) -> Option<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![(PathBuf::from("/"), tree)];
    while let Some((at, directory)) = open.pop() {
        for (name, node) in &directory.entries {
            let path = at.join(name);
            if let Node::Directory(directory) = node {
                open.push((path.clone(), directory));
            }
            if name.as_encoded_bytes().starts_with(WHITEOUT.as_bytes()) && judged(node) {
                found.insert(path);
            }
        }
    }
    found.pop_first()
}

/// Whether something with the name of a whiteout is none: those are empty files.
pub fn is_no_whiteout(node: &Node) -> bool {
    match node {
        Node::Leaf(Leaf { kind: LeafKind::File(content), .. }) => content.size() > 0,
        _ => true,
    }
}

/// Why a tree cannot be a layer.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// It could not be read.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A script made something that would delete files.
    #[error(
        "{} is left by the scripts: a name that begins with .wh. deletes files when the image is unpacked \
         (runAsRoot deletes them as they are; in extraCommands and fakeRootCommands an empty file of that name does)",
        .0.display()
    )]
    Whiteout(PathBuf),
}

/// A tree at one time.
pub struct Snapshot {
    tree: Directory,
    times: BTreeMap<PathBuf, (Identity, i64, u64)>,
}

impl Snapshot {
    /// The tree as it is. What is changed from now on has another time.
    pub fn take(disk: &Disk) -> Result<Snapshot, DiskError> {
        let snapshot = Snapshot::of(disk, false)?;
        std::thread::sleep(TICK);
        Ok(snapshot)
    }

    fn of(disk: &Disk, open_up: bool) -> Result<Snapshot, DiskError> {
        let mut times = BTreeMap::new();
        let tree = disk.read(open_up, &mut |path, status: &Stat| {
            let time = (identity(status), status.st_ctime, status.st_ctime_nsec);
            times.insert(path.to_path_buf(), time);
        })?;
        Ok(Snapshot { tree, times })
    }

    /// What is different now.
    pub fn changes(&self, disk: &Disk) -> Result<Directory, ChangesError> {
        let now = Snapshot::of(disk, true)?;
        if let Some(path) = named_as_whiteout(&now.tree, |_| true) {
            return Err(ChangesError::Whiteout(path));
        }
        let entries = self.in_directory(&now, &self.tree, &now.tree, Path::new(""));
        Ok(Directory { entries, attributes: now.tree.attributes.clone() })
    }

    fn identity(&self, path: &Path) -> Option<Identity> {
        self.times.get(path).map(|(identity, ..)| *identity)
    }

    fn in_directory(
        &self,
        now: &Snapshot,
        before: &Directory,
        after: &Directory,
        at: &Path,
    ) -> BTreeMap<OsString, Node> {
        let mut entries = BTreeMap::new();
        for name in before.entries.keys().filter(|name| !after.entries.contains_key(*name)) {
            entries.insert([OsStr::new(WHITEOUT), name].into_iter().collect(), whiteout());
        }
        for (name, node) in &after.entries {
            let path = at.join(name);
            let changed = match (before.entries.get(name), node) {
                // Removed and made again: nothing of what it had is there.
                (Some(Node::Directory(_)), Node::Directory(after))
                    if self.identity(&path) != now.identity(&path) =>
                {
                    let mut after = after.clone();
                    after.entries.insert(OPAQUE.into(), whiteout());
                    Some(Node::Directory(after))
                }
                (Some(Node::Directory(before)), Node::Directory(after)) => {
                    let entries = self.in_directory(now, before, after, &path);
                    let changed = !entries.is_empty() || before.attributes != after.attributes;
                    let attributes = after.attributes.clone();
                    changed.then_some(Node::Directory(Directory { entries, attributes }))
                }
                (Some(Node::Leaf(before)), Node::Leaf(after)) => {
                    let same = self.times.get(&path) == now.times.get(&path)
                        && before.attributes == after.attributes
                        && before.kind == after.kind;
                    (!same).then(|| node.clone())
                }
                _ => Some(node.clone()),
            };
            entries.extend(changed.map(|node| (name.clone(), node)));
        }
        entries
    }
}

/// The file whose name says that another one is gone.
fn whiteout() -> Node {
    let owner = PartialOwner { uid: Some(0), gid: Some(0), ..PartialOwner::default() };
    let attributes = Attributes { owner, ..Attributes::of_mode(0) };
    Node::Leaf(Leaf { kind: LeafKind::File(Content::Bytes(Vec::new())), attributes })
}
