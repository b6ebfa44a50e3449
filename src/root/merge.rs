//! Merging `contents` and `copyToRoot` into one tree.
//!
//! As nixpkgs' symlinkJoin: directories are made, files become links (`contents`) or copies
//! (`copyToRoot`), links keep their text. Where two sources give the same path, the rules are those of
//! nixpkgs' buildEnv, which knows them since packages exist that collide:
//!
//! 1. directories merge; a link to a directory that meets a directory, or another such link, counts as
//!    the directory that it leads to;
//! 2. equal links, and files with equal bytes, are one;
//! 3. the lower `meta.priority` wins;
//! 4. for generated indexes (`info/dir`, MIME and icon caches, `nix-support`) the first wins;
//! 5. anything else is an error that names both.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use super::merged::{Directory, Leaf, LeafKind, Node, Origin, Tree, Way};
use crate::spec::Source;

/// Directories nested deeper are refused: only links that lead in circles nest so deep.
const MAX_DEPTH: usize = 512;

/// Why sources do not make one tree.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Not something that can be put into `/`.
    #[error("{argument}: {} is {found}; accepted: a directory, whose tree becomes part of /", path.display())]
    Source {
        /// The argument's element.
        argument: String,
        /// Its path.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// A source leads out of the store.
    #[error("{argument}: {} leads to {}, outside the store", path.display(), target.display())]
    Outside {
        /// The argument's element.
        argument: String,
        /// Its path.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Two sources, one path.
    #[error(transparent)]
    Conflict(Box<Conflict>),
    /// A FIFO, socket or device.
    #[error("{argument}: {} is {found}; an image holds files, directories and symbolic links", path.display())]
    Special {
        /// The argument's element.
        argument: String,
        /// The entry.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// A name that means a deletion (image-spec, layer.md, "Whiteouts").
    #[error("{argument}: {} would delete files of lower layers when the image is unpacked (names that begin with .wh. do)", path.display())]
    Whiteout {
        /// The argument's element.
        argument: String,
        /// The entry.
        path: PathBuf,
    },
    /// Nested too deep.
    #[error("{argument}: {} is nested deeper than {MAX_DEPTH} directories", path.display())]
    Depth {
        /// The argument's element.
        argument: String,
        /// The entry.
        path: PathBuf,
    },
    /// The system refused something.
    #[error("{argument}: {}: {source}", path.display())]
    Io {
        /// The argument's element.
        argument: String,
        /// The entry.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Two sources that give one path in different ways.
#[derive(Debug, thiserror::Error)]
#[error(
    "/{} comes from {} ({}) and, different, from {} ({}); leave one out, or give one a lower meta.priority (the lower wins, lib.hiPrio)",
    path.display(), first.0.display(), first.1, second.0.display(), second.1
)]
pub struct Conflict {
    /// The path in the image, without the leading slash.
    pub path: PathBuf,
    /// The entry that came first, and its argument.
    pub first: (PathBuf, String),
    /// The entry that came second, and its argument.
    pub second: (PathBuf, String),
}

/// Adds everything in `source` to `tree`, in this way.
pub(super) fn add(
    tree: &mut Tree,
    source: &Source,
    argument: &str,
    way: Way,
    store: &Path,
) -> Result<(), MergeError> {
    let origin = Origin { argument: argument.to_string(), priority: source.priority, way };
    let io = |e| MergeError::Io { argument: argument.to_string(), path: source.path.clone(), source: e };
    let target = fs::canonicalize(&source.path).map_err(io)?;
    if !target.starts_with(fs::canonicalize(store).map_err(io)?) {
        let (argument, path) = (argument.to_string(), source.path.clone());
        return Err(MergeError::Outside { argument, path, target });
    }
    let metadata = fs::metadata(&source.path).map_err(io)?;
    if !metadata.is_dir() {
        let found = if metadata.is_file() { "a file" } else { "neither a file nor a directory" };
        return Err(MergeError::Source { argument: argument.to_string(), path: source.path.clone(), found });
    }
    let merge = Merge { origin, top: source.path.clone(), store, followed: vec![target] };
    merge.directory(tree, &source.path, &mut PathBuf::new())
}

/// A source, or the directory that a link in one leads to, being merged.
struct Merge<'m> {
    origin: Origin,
    /// What relative links may not lead out of.
    top: PathBuf,
    store: &'m Path,
    /// The directories that links led to on the way here: one that leads to where it is stays a link.
    followed: Vec<PathBuf>,
}

impl Merge<'_> {
    /// Adds the entries of `directory`, which becomes `/at` in the image, to `tree`.
    fn directory(&self, tree: &mut Tree, directory: &Path, at: &mut PathBuf) -> Result<(), MergeError> {
        if at.components().count() > MAX_DEPTH {
            return Err(MergeError::Depth { argument: self.argument(), path: directory.to_path_buf() });
        }
        let mut names = fs::read_dir(directory)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>())
            .map_err(|e| self.io(directory, e))?;
        names.sort();
        for name in names {
            let entry = directory.join(&name);
            if name.as_bytes().starts_with(b".wh.") {
                return Err(MergeError::Whiteout { argument: self.argument(), path: entry });
            }
            at.push(&name);
            let metadata = fs::symlink_metadata(&entry).map_err(|e| self.io(&entry, e))?;
            match metadata.is_dir() {
                true => self.entry_directory(tree, &name, &entry, at)?,
                false => {
                    let leaf = self.leaf(&entry, &metadata)?;
                    match self.copied_through(&leaf) {
                        Some(target) => {
                            self.through(&leaf, &target).entry_directory(tree, &name, &target, at)?
                        }
                        None => self.entry_leaf(tree, &name, leaf, at)?,
                    }
                }
            }
            at.pop();
        }
        Ok(())
    }

    /// A directory called `name`.
    fn entry_directory(
        &self,
        tree: &mut Tree,
        name: &OsStr,
        entry: &Path,
        at: &mut PathBuf,
    ) -> Result<(), MergeError> {
        let mut directory = match tree.remove(name) {
            None => {
                Directory { entries: Tree::new(), entry: entry.to_path_buf(), origin: self.origin.clone() }
            }
            Some(Node::Directory(present)) => present,
            Some(Node::Leaf(leaf)) => match self.expand(&leaf, at)? {
                Some(directory) => directory,
                None => return Err(conflict(at, (&leaf.entry, &leaf.origin), (entry, &self.origin))),
            },
        };
        self.directory(&mut directory.entries, entry, at)?;
        tree.insert(name.to_os_string(), Node::Directory(directory));
        Ok(())
    }

    /// A file or link called `name`.
    fn entry_leaf(
        &self,
        tree: &mut Tree,
        name: &OsStr,
        leaf: Leaf,
        at: &mut PathBuf,
    ) -> Result<(), MergeError> {
        let node = match tree.remove(name) {
            None => Node::Leaf(leaf),
            Some(Node::Directory(mut present)) => match self.store_directory(&leaf) {
                Some(target) => {
                    self.through(&leaf, &target).directory(&mut present.entries, &target, at)?;
                    Node::Directory(present)
                }
                None => {
                    let first = (present.entry.as_path(), &present.origin);
                    return Err(conflict(at, first, (&leaf.entry, &self.origin)));
                }
            },
            Some(Node::Leaf(present)) => self.both(present, leaf, at)?,
        };
        tree.insert(name.to_os_string(), node);
        Ok(())
    }

    /// Which of two leaves at the same path stays, or the directory that they make together.
    fn both(&self, present: Leaf, new: Leaf, at: &mut PathBuf) -> Result<Node, MergeError> {
        if self.equal(&present, &new)? {
            return Ok(Node::Leaf(present));
        }
        if let Some(target) = self.store_directory(&new)
            && let Some(mut directory) = self.expand(&present, at)?
        {
            self.through(&new, &target).directory(&mut directory.entries, &target, at)?;
            return Ok(Node::Directory(directory));
        }
        match present.origin.priority.cmp(&new.origin.priority) {
            std::cmp::Ordering::Less => Ok(Node::Leaf(present)),
            std::cmp::Ordering::Greater => Ok(Node::Leaf(new)),
            std::cmp::Ordering::Equal if is_generated_index(at) => Ok(Node::Leaf(present)),
            std::cmp::Ordering::Equal => {
                Err(conflict(at, (&present.entry, &present.origin), (&new.entry, &new.origin)))
            }
        }
    }

    /// The directory that `leaf` leads to, with what is in it; none if it leads to none of the store.
    fn expand(&self, leaf: &Leaf, at: &mut PathBuf) -> Result<Option<Directory>, MergeError> {
        let Some(target) = self.store_directory(leaf) else { return Ok(None) };
        let mut entries = Tree::new();
        self.through(leaf, &target).directory(&mut entries, &target, at)?;
        Ok(Some(Directory { entries, entry: leaf.entry.clone(), origin: leaf.origin.clone() }))
    }

    /// The merge of what `leaf`, a link, leads to.
    fn through(&self, leaf: &Leaf, directory: &Path) -> Merge<'_> {
        let mut followed = self.followed.clone();
        followed.push(directory.to_path_buf());
        Merge { origin: leaf.origin.clone(), top: directory.to_path_buf(), store: self.store, followed }
    }

    /// The directory that is copied in place of a link to it, if links are not kept.
    fn copied_through(&self, leaf: &Leaf) -> Option<PathBuf> {
        if self.origin.way != (Way::Copy { keep_dirlinks: false }) || !matches!(leaf.kind, LeafKind::Link(_))
        {
            return None;
        }
        self.store_directory(leaf)
            .filter(|target| !self.followed.iter().any(|above| above.starts_with(target)))
    }

    /// The directory of the store that `leaf` leads to.
    fn store_directory(&self, leaf: &Leaf) -> Option<PathBuf> {
        let target = fs::canonicalize(&leaf.entry).ok()?;
        (target.is_dir() && target.starts_with(self.store)).then_some(target)
    }

    fn leaf(&self, entry: &Path, metadata: &fs::Metadata) -> Result<Leaf, MergeError> {
        let kind = if metadata.is_symlink() {
            let target = fs::read_link(entry).map_err(|e| self.io(entry, e))?;
            match self.origin.way == Way::Link && self.leads_out(entry, &target) {
                true => LeafKind::Link(entry.to_path_buf()),
                false => LeafKind::Link(target),
            }
        } else if metadata.is_file() {
            match self.origin.way == Way::Link {
                true => LeafKind::Link(entry.to_path_buf()),
                false => LeafKind::File(metadata.size(), metadata.permissions().mode() & 0o7777),
            }
        } else {
            let file_type = metadata.file_type();
            let found = if file_type.is_fifo() {
                "a FIFO"
            } else if file_type.is_socket() {
                "a socket"
            } else {
                "a device"
            };
            return Err(MergeError::Special { argument: self.argument(), path: entry.to_path_buf(), found });
        };
        Ok(Leaf { kind, entry: entry.to_path_buf(), origin: self.origin.clone() })
    }

    /// Whether the relative link `entry` to `target` leaves its source, so that its text would mean
    /// something else in `/`.
    fn leads_out(&self, entry: &Path, target: &Path) -> bool {
        if target.is_absolute() {
            return false;
        }
        let above = entry.strip_prefix(&self.top).unwrap_or(entry).components().count() as i64 - 1;
        let mut depth = above;
        for component in target.components() {
            depth += match component {
                Component::ParentDir => -1,
                Component::Normal(_) => 1,
                _ => 0,
            };
            if depth < 0 {
                return true;
            }
        }
        false
    }

    /// Whether two leaves are the same thing: the same link, or files with the same bytes.
    fn equal(&self, a: &Leaf, b: &Leaf) -> Result<bool, MergeError> {
        if let (LeafKind::Link(a), LeafKind::Link(b)) = (&a.kind, &b.kind)
            && a == b
        {
            return Ok(true);
        }
        let regular = |leaf: &Leaf| {
            fs::symlink_metadata(&leaf.entry)
                .map_err(|e| self.io(&leaf.entry, e))
                .map(|m| m.is_file().then_some(m))
        };
        let (Some(meta_a), Some(meta_b)) = (regular(a)?, regular(b)?) else { return Ok(false) };
        if meta_a.size() != meta_b.size() || meta_a.mode() & 0o111 != meta_b.mode() & 0o111 {
            return Ok(false);
        }
        same_bytes(&a.entry, &b.entry).map_err(|e| self.io(&b.entry, e))
    }

    fn argument(&self) -> String {
        self.origin.argument.clone()
    }

    fn io(&self, path: &Path, source: io::Error) -> MergeError {
        MergeError::Io { argument: self.argument(), path: path.to_path_buf(), source }
    }
}

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    let (mut chunk_a, mut chunk_b) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let n = a.read(&mut chunk_a)?;
        if n == 0 {
            return Ok(b.read(&mut chunk_b)? == 0);
        }
        match b.read_exact(&mut chunk_b[..n]) {
            Ok(()) if chunk_a[..n] == chunk_b[..n] => {}
            Ok(()) => return Ok(false),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(e) => return Err(e),
        }
    }
}

/// What `/at` is in one source and, different, in another.
fn conflict(at: &Path, first: (&Path, &Origin), second: (&Path, &Origin)) -> MergeError {
    let named = |(entry, origin): (&Path, &Origin)| (entry.to_path_buf(), origin.argument.clone());
    let conflict = Conflict { path: at.to_path_buf(), first: named(first), second: named(second) };
    MergeError::Conflict(Box::new(conflict))
}

/// Files that tools generate from all installed packages, so that each package's own is of no use in a
/// union (the exceptions of nixpkgs' buildEnv, and desktop caches).
fn is_generated_index(at: &Path) -> bool {
    let name = at.file_name().unwrap_or_default();
    at.starts_with("nix-support")
        || at.ends_with("info/dir")
        || (at.starts_with("share/mime") && !at.starts_with("share/mime/packages"))
        || ["perllocal.pod", "icon-theme.cache", "mimeinfo.cache", "gschemas.compiled"]
            .iter()
            .any(|n| name == *n)
}
