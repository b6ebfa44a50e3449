//! Links to directories in the image below: what the root layer has in a directory of such a name goes where
//! the link leads, as if it were unpacked there (`/bin` of contents on a base with `/bin -> usr/bin`;
//! nixpkgs#110696). A directory would hide the link, and all that was found through it.
//!
//! The links are read once for each base, by a derivation of their own: a list of paths, with where they lead.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RootError;
use super::tree::{Directory, Node};
use crate::base::filesystem::{self, Entry, InodeKind};

/// A link may lead through others; a circle does not.
const MAX_ROUNDS: usize = 40;

/// Links to directories, without slashes at the beginning, and the directories. Names that are no UTF-8 are
/// left out: they keep hiding what they hide.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DirectoryLinks(BTreeMap<String, String>);

impl DirectoryLinks {
    /// Those of an image.
    pub fn of(image: &filesystem::Directory) -> DirectoryLinks {
        let mut links = BTreeMap::new();
        collect(image, image, &mut PathBuf::new(), &mut links);
        DirectoryLinks(links)
    }

    /// Reads what the derivation has written.
    pub fn read(path: &Path) -> Result<DirectoryLinks, RootError> {
        let bytes = fs::read(path).map_err(|e| RootError::io(path, e))?;
        serde_json::from_slice(&bytes).map_err(|source| RootError::Recorded { path: path.into(), source })
    }

    /// Without those that are directories in `root`.
    pub(super) fn but_for_directories_of(mut self, root: &Directory) -> DirectoryLinks {
        self.0.retain(|link, _| !matches!(root.get(Path::new(link)), Some(Node::Directory(_))));
        self
    }

    /// Moves what `root` has under the name of a link to where that leads.
    pub(super) fn follow(&self, root: &mut Directory) -> Result<(), RootError> {
        for _ in 0..MAX_ROUNDS {
            let mut moved = false;
            for (link, target) in &self.0 {
                let Some(directory) = take(root, Path::new(link)) else { continue };
                moved = true;
                let into = root.make(Path::new(target))?;
                merge(into, directory, Path::new(target), link)?;
            }
            if !moved {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn collect(
    image: &filesystem::Directory,
    directory: &filesystem::Directory,
    path: &mut PathBuf,
    links: &mut BTreeMap<String, String>,
) {
    for (name, entry) in &directory.entries {
        path.push(name);
        match entry {
            Entry::Directory(directory) => collect(image, directory, path, links),
            Entry::Inode(inode) if matches!(inode.kind, InodeKind::Symlink(_)) => {
                let target = image.directory(path);
                if let (Some(link), Some(target)) = (path.to_str(), target.as_deref().and_then(Path::to_str))
                {
                    links.insert(link.to_owned(), target.to_owned());
                }
            }
            Entry::Inode(_) => {}
        }
        path.pop();
    }
}

/// Takes out the directory at `path`, if there is one, and no whiteout says that the link is gone.
fn take(root: &mut Directory, path: &Path) -> Option<Directory> {
    let name = path.file_name()?;
    let mut parent = root;
    for part in path.parent()? {
        parent = match parent.entries.get_mut(part)? {
            Node::Directory(directory) => directory,
            Node::Leaf(_) => return None,
        };
    }
    let whiteout: std::ffi::OsString = [OsStr::new(".wh."), name].into_iter().collect();
    if parent.entries.contains_key(&whiteout) || !matches!(parent.entries.get(name)?, Node::Directory(_)) {
        return None;
    }
    match parent.entries.remove(name)? {
        Node::Directory(directory) => Some(directory),
        Node::Leaf(_) => None,
    }
}

/// Adds what `from` holds to `into`, which is at `path`.
fn merge(into: &mut Directory, from: Directory, path: &Path, link: &str) -> Result<(), RootError> {
    if !from.attributes.say_nothing_of_a_directory() && from.attributes != into.attributes {
        if !into.attributes.say_nothing_of_a_directory() {
            return Err(RootError::Twice { path: path.into(), link: link.into() });
        }
        into.attributes = from.attributes;
    }
    for (name, node) in from.entries {
        let at = path.join(&name);
        match (into.entries.remove(&name), node) {
            (None, node) => {
                into.entries.insert(name, node);
            }
            (Some(Node::Directory(mut present)), Node::Directory(new)) => {
                merge(&mut present, new, &at, link)?;
                into.entries.insert(name, Node::Directory(present));
            }
            (Some(present), new) if present == new => {
                into.entries.insert(name, present);
            }
            _ => return Err(RootError::Twice { path: at, link: link.into() }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::tree::{Attributes, Content, Leaf, LeafKind};

    fn file(text: &str) -> Node {
        let kind = LeafKind::File(Content::Bytes(text.into()));
        Node::Leaf(Leaf { kind, attributes: Attributes::of_mode(0o444) })
    }

    fn tree(files: &[(&str, &str)]) -> Directory {
        let mut root = Directory::default();
        for (path, text) in files {
            let path = Path::new(path);
            let parent = root.make(path.parent().unwrap()).unwrap();
            parent.entries.insert(path.file_name().unwrap().into(), file(text));
        }
        root
    }

    fn links(links: &[(&str, &str)]) -> DirectoryLinks {
        DirectoryLinks(links.iter().map(|(link, target)| ((*link).into(), (*target).into())).collect())
    }

    #[test]
    fn directories_go_where_links_of_their_names_lead() {
        let mut root = tree(&[("/bin/a", "a"), ("/usr/bin/b", "b"), ("/etc/c", "c")]);
        links(&[("bin", "usr/bin"), ("sbin", "usr/sbin")]).follow(&mut root).unwrap();
        assert_eq!(root, tree(&[("/usr/bin/a", "a"), ("/usr/bin/b", "b"), ("/etc/c", "c")]));
    }

    #[test]
    fn links_may_lead_to_links_whatever_their_order() {
        let mut root = tree(&[("/z/l/x", "x")]);
        links(&[("a/l", "b"), ("z", "a")]).follow(&mut root).unwrap();
        assert!(root.get(Path::new("/b/x")).is_some(), "{root:?}");
    }

    #[test]
    fn what_is_there_twice_is_one_or_an_error() {
        let mut root = tree(&[("/bin/a", "a"), ("/usr/bin/a", "a")]);
        links(&[("bin", "usr/bin")]).follow(&mut root).unwrap();
        assert_eq!(root, tree(&[("/usr/bin/a", "a")]));
        let mut root = tree(&[("/bin/a", "a"), ("/usr/bin/a", "other")]);
        let error = links(&[("bin", "usr/bin")]).follow(&mut root).unwrap_err().to_string();
        assert!(error.contains("/usr/bin/a") && error.contains("/bin"), "{error}");
    }

    #[test]
    fn files_and_whiteouts_of_the_name_replace_the_link() {
        let replaced = tree(&[("/bin", "a file")]);
        let mut root = replaced.clone();
        links(&[("bin", "usr/bin")]).follow(&mut root).unwrap();
        assert_eq!(root, replaced);
        let removed = tree(&[("/.wh.bin", ""), ("/bin/a", "a")]);
        let mut root = removed.clone();
        links(&[("bin", "usr/bin")]).follow(&mut root).unwrap();
        assert_eq!(root, removed);
    }
}
