//! One layer on top of a tree: the rules of the OCI image specification (layer.md), and where it says nothing,
//! those of the programs that unpack images (containerd, pkg/archive; umoci, oci/layer).

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;

use super::{Directory, Entry, Inode, InodeKind, Metadata};
use crate::layer::Extent;

/// Links followed on the way to one name: as many as containerd follows (continuity, fs/path.go).
const MAX_LINKS: usize = 255;
/// Directories in each other: as many as a path that Linux takes can name (PATH_MAX).
const MAX_DEPTH: usize = 2048;

/// Names that begin so remove what the rest names.
const WHITEOUT: &[u8] = b".wh.";
/// Names that begin so are a storage driver's own (aufs).
const OF_AUFS: &[u8] = b".wh..wh.";
/// The name that hides what lower layers have in its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What a member is.
pub(super) enum What {
    /// A directory.
    Directory,
    /// Something with one name so far.
    Inode(InodeKind),
    /// Another name of what is called so.
    Hardlink(Vec<u8>),
}

/// A layer that is being applied.
pub(super) struct Applied<'t> {
    root: &'t mut Directory,
    /// Paths that this layer has written: its whiteouts are of what lower layers have.
    written: HashSet<Vec<u8>>,
    /// Directories in which a whiteout has left nothing of lower layers.
    cleared: HashSet<Vec<u8>>,
}

impl Applied<'_> {
    /// A layer on top of `root`, none of whose members is applied yet.
    pub(super) fn new(root: &mut Directory) -> Applied<'_> {
        Applied { root, written: HashSet::new(), cleared: HashSet::new() }
    }

    /// Applies the member called `name`.
    pub(super) fn add(&mut self, name: &[u8], metadata: Metadata, what: What) -> Result<(), String> {
        let names = parts(name);
        let Some((&last, parents)) = names.split_last() else {
            return match what {
                What::Directory => {
                    self.root.metadata = metadata;
                    Ok(())
                }
                _ => Err("the root can be a directory only".into()),
            };
        };
        let hidden = last.strip_prefix(WHITEOUT);
        let of_aufs = |name: &&[u8]| name.starts_with(OF_AUFS) && *name != OPAQUE;
        match hidden {
            _ if names.iter().any(of_aufs) => Ok(()),
            _ if parents.iter().any(|name| name.starts_with(WHITEOUT)) => {
                Err("its directory has the name of a whiteout".into())
            }
            Some(_) if last == OPAQUE => self.hide_all(parents),
            Some(b"" | b"." | b"..") => Err("a whiteout of no name".into()),
            Some(hidden) => self.hide(parents, hidden),
            None => self.write(parents, last, metadata, what),
        }
    }

    /// Puts something in its place.
    fn write(
        &mut self,
        parents: &[&[u8]],
        last: &[u8],
        metadata: Metadata,
        what: What,
    ) -> Result<(), String> {
        let parent = resolve(self.root, parents)?;
        let entry = match what {
            What::Directory => Entry::Directory(Box::new(Directory { metadata, ..Directory::default() })),
            What::Inode(kind) => Entry::Inode(Arc::new(Inode { metadata, kind })),
            What::Hardlink(target) => Entry::Inode(self.linked(&target)?),
        };
        let name = OsStr::from_bytes(last);
        let directory = make(self.root, &parent).ok_or("its directory is none")?;
        match (entry, directory.entries.get_mut(name)) {
            (Entry::Directory(new), Some(Entry::Directory(old))) => old.metadata = new.metadata,
            (entry, _) => drop(directory.entries.insert(name.into(), entry)),
        }
        self.written.insert(joined(&parent, last));
        Ok(())
    }

    /// What a hard link leads to; if that is a symbolic link, the link itself.
    fn linked(&self, target: &[u8]) -> Result<Arc<Inode>, String> {
        let wrong =
            |what: &str| format!("a hard link to {:?}, which {what}", String::from_utf8_lossy(target));
        let names = parts(target);
        let Some((last, parents)) = names.split_last() else { return Err(wrong("is a directory")) };
        let parent = resolve(self.root, parents).map_err(|e| wrong(&format!("is not there: {e}")))?;
        match find(self.root, &parent).and_then(|parent| parent.entries.get(OsStr::from_bytes(last))) {
            Some(Entry::Inode(inode)) => Ok(inode.clone()),
            Some(Entry::Directory(_)) => Err(wrong("is a directory")),
            None => Err(wrong("is not there")),
        }
    }

    /// Removes what lower layers have below that name.
    fn hide(&mut self, parents: &[&[u8]], hidden: &[u8]) -> Result<(), String> {
        let parent = resolve(self.root, parents)?;
        let mut path = joined(&parent, hidden);
        let is_written = self.written.contains(&path);
        let Some(directory) = find_mut(self.root, &parent) else { return Ok(()) };
        let is_left = match directory.entries.get_mut(OsStr::from_bytes(hidden)) {
            None => return Ok(()),
            Some(Entry::Inode(_)) => is_written,
            Some(Entry::Directory(directory)) => {
                if self.cleared.insert(path.clone()) {
                    clear(directory, &mut path, &self.written);
                }
                is_written || !directory.entries.is_empty()
            }
        };
        if !is_left {
            directory.entries.remove(OsStr::from_bytes(hidden));
        }
        Ok(())
    }

    /// Removes what lower layers have in that directory.
    fn hide_all(&mut self, parents: &[&[u8]]) -> Result<(), String> {
        let path = resolve(self.root, parents)?;
        if let Some(directory) = find_mut(self.root, &path) {
            let mut path = path.join(OsStr::new("/")).into_vec();
            if self.cleared.insert(path.clone()) {
                clear(directory, &mut path, &self.written);
            }
        }
        Ok(())
    }
}

/// Removes what this layer has not written from the directory at `path`.
fn clear(directory: &mut Directory, path: &mut Vec<u8>, written: &HashSet<Vec<u8>>) {
    let length = path.len();
    directory.entries.retain(|name, entry| {
        if length > 0 {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        let is_left = match entry {
            Entry::Inode(_) => written.contains(&*path),
            Entry::Directory(directory) => {
                clear(directory, path, written);
                !directory.entries.is_empty() || written.contains(&*path)
            }
        };
        path.truncate(length);
        is_left
    });
}

/// The parts of a name; what would lead out of the root stays there, as in containerd and umoci.
fn parts(name: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts
}

/// The directory that these names lead to from the root, links followed: no part of it is a link, and it need
/// not exist.
fn resolve(root: &Directory, names: &[&[u8]]) -> Result<Vec<OsString>, String> {
    let mut path: Vec<(OsString, Option<&Directory>)> = Vec::new();
    let mut names: Vec<&[u8]> = names.iter().rev().copied().collect();
    let mut links = 0;
    while let Some(name) = names.pop() {
        if matches!(name, b"" | b".") {
            continue;
        }
        if name == b".." {
            path.pop();
            continue;
        }
        let at = path.last().map_or(Some(root), |(_, directory)| *directory);
        match at.and_then(|directory| directory.entries.get(OsStr::from_bytes(name))) {
            Some(Entry::Inode(inode)) => {
                let InodeKind::Symlink(target) = &inode.kind else {
                    return Err(format!("{:?} is no directory", String::from_utf8_lossy(name)));
                };
                links += 1;
                if links > MAX_LINKS {
                    return Err(format!("more than {MAX_LINKS} symbolic links lead to it"));
                }
                if target.starts_with(b"/") {
                    path.clear();
                }
                names.extend(target.split(|&byte| byte == b'/').rev());
            }
            Some(Entry::Directory(directory)) => {
                path.push((OsString::from_vec(name.into()), Some(directory)));
            }
            // It would be made, and delete a file where what is put together becomes a layer.
            None if name.starts_with(WHITEOUT) => {
                return Err(format!(
                    "a link leads to {:?}, the name of a whiteout",
                    String::from_utf8_lossy(name)
                ));
            }
            None => path.push((OsString::from_vec(name.into()), None)),
        }
        if path.len() >= MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} directories in each other"));
        }
    }
    Ok(path.into_iter().map(|(name, _)| name).collect())
}

/// The path of the directory that `path` leads to from the root, links followed.
pub(super) fn directory(root: &Directory, path: &[u8]) -> Option<PathBuf> {
    let resolved = resolve(root, &parts(path)).ok()?;
    find(root, &resolved)?;
    Some(resolved.iter().collect())
}

/// The file at `path`, from the root, links followed.
pub(super) fn file<'t>(root: &'t Directory, path: &[u8]) -> Option<&'t Extent> {
    let mut path = path.to_vec();
    for _ in 0..MAX_LINKS {
        // `..` is for `resolve`: it leaves where the link before it leads to.
        let names: Vec<&[u8]> = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()).collect();
        let (last, parents) = names.split_last()?;
        let parent = resolve(root, parents).ok()?;
        match find(root, &parent)?.entries.get(OsStr::from_bytes(last))? {
            Entry::Inode(inode) => match &inode.kind {
                InodeKind::File(extent) => return Some(extent),
                InodeKind::Symlink(target) if target.starts_with(b"/") => path = target.clone(),
                InodeKind::Symlink(target) => path = joined(&parent, target),
                _ => return None,
            },
            Entry::Directory(_) => return None,
        }
    }
    None
}

/// The directory at a resolved path.
fn find<'t>(root: &'t Directory, path: &[OsString]) -> Option<&'t Directory> {
    path.iter().try_fold(root, |directory, name| match directory.entries.get(name)? {
        Entry::Directory(directory) => Some(&**directory),
        Entry::Inode(_) => None,
    })
}

fn find_mut<'t>(root: &'t mut Directory, path: &[OsString]) -> Option<&'t mut Directory> {
    path.iter().try_fold(root, |directory, name| match directory.entries.get_mut(name)? {
        Entry::Directory(directory) => Some(&mut **directory),
        Entry::Inode(_) => None,
    })
}

/// The directory at a resolved path, made with those above it if it is missing.
fn make<'t>(root: &'t mut Directory, path: &[OsString]) -> Option<&'t mut Directory> {
    path.iter().try_fold(root, |directory, name| {
        let missing = || {
            Entry::Directory(Box::new(Directory { metadata: Metadata::of_nobody(), ..Directory::default() }))
        };
        match directory.entries.entry(name.clone()).or_insert_with(missing) {
            Entry::Directory(directory) => Some(&mut **directory),
            Entry::Inode(_) => None,
        }
    })
}

/// The path of `name` in `directory`, with slashes between its parts.
fn joined(directory: &[OsString], name: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = directory.iter().map(|part| part.as_bytes()).chain([name]).collect();
    parts.join(&b'/')
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
