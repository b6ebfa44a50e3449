//! What an explicit layer holds besides whole store paths: copies in `/`, and files with modes and owners of their
//! own.

use std::path::Path;

use super::tree::{Attributes, Content, Directory, Leaf, LeafKind, Node};
use super::write::{self, Defaults};
use super::{DirectoryLinks, RecordedLayer, RootError, Way, merge, merged, perms};
use crate::layer::Progress;
use crate::layer::tar::Shared;
use crate::layer::walk::{Found, Walk};
use crate::spec::{Files, LayerSpec, PermissionRule, Source};

/// The copies of an explicit layer.
pub struct Copies {
    tree: Directory,
    /// Globs of rules that are about nothing here.
    pub unmatched: Vec<String>,
}

impl Copies {
    /// Those that `spec` asks for in a layer of `paths`, which has `copyToRoot` if it is the last one; removes from
    /// `paths` the store paths that have rules of their own, which are among the copies then.
    pub fn new(
        spec: &LayerSpec,
        paths: &mut Vec<String>,
        last: bool,
        store: &Path,
    ) -> Result<Copies, RootError> {
        let mut merged = merged::Tree::default();
        for (index, source) in spec.copy_to_root.iter().enumerate().filter(|_| last) {
            let way = Way::Copy { keep_dirlinks: true };
            merge::add(&mut merged, source, &format!("copyToRoot[{index}]"), way, store)?;
        }
        let mut tree = merged::finish(merged);
        let ruled = |path: &str| spec.perms.iter().any(|rule| perms::concerns(rule, Path::new(path), store));
        for path in paths.extract_if(.., |path| ruled(path)) {
            add_store_path(&mut tree, Path::new(&path))?;
        }
        let here = |rule: &&PermissionRule| match &rule.files {
            Files::Glob(_) => true,
            Files::Source { source, .. } => {
                tree.get(source).is_some() || spec.copy_to_root.iter().any(|copy| copy.path == *source)
            }
        };
        let rules: Vec<PermissionRule> = spec.perms.iter().filter(here).cloned().collect();
        perms::apply_sources(&mut tree, &rules, &spec.copy_to_root)?;
        if let Some(path) = &spec.directory_links {
            DirectoryLinks::read(path)?.follow(&mut tree)?;
        }
        let unmatched = perms::apply(&mut tree, &rules).into_iter().map(str::to_owned).collect();
        Ok(Copies { tree, unmatched })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tree == Directory::default()
    }
}

/// Writes the copies as a tar to the new file `path`.
pub fn write_copies(
    copies: &Copies,
    shared: &Shared,
    path: &Path,
    progress: &dyn Progress,
) -> Result<RecordedLayer, RootError> {
    write::write(&copies.tree, &Defaults { shared, users: &[] }, path, progress)
}

/// Adds the store paths that rules name as sources and that are not copied to `/`.
pub(super) fn at_their_place(
    root: &mut Directory,
    rules: &[PermissionRule],
    copied: &[Source],
) -> Result<(), RootError> {
    for rule in rules {
        if let Files::Source { source, .. } = &rule.files
            && !copied.iter().any(|copy| copy.path == *source)
            && root.get(source).is_none()
        {
            add_store_path(root, source)?;
        }
    }
    Ok(())
}

/// Adds a store path at its own place, with the modes that it has.
fn add_store_path(root: &mut Directory, path: &Path) -> Result<(), RootError> {
    let mut walk = Walk::new(path);
    loop {
        let (mode, kind) = match walk.advance()? {
            None => return Ok(()),
            Some((mode, Found::Directory)) => (mode, None),
            Some((_, Found::Symlink(target))) => (0o777, Some(Err(target))),
            Some((mode, Found::File(file))) => (mode, Some(Ok(file.size))),
        };
        let place = walk.path();
        let attributes = Attributes::of_mode(mode);
        let kind = match kind {
            None => {
                root.make(place)?.attributes = attributes;
                continue;
            }
            Some(Err(target)) => LeafKind::Link(std::os::unix::ffi::OsStringExt::from_vec(target)),
            Some(Ok(size)) => LeafKind::File(Content::Path(place.as_os_str().to_owned(), size)),
        };
        if let (Some(parent), Some(name)) = (place.parent(), place.file_name()) {
            root.make(parent)?.entries.insert(name.to_owned(), Node::Leaf(Leaf { kind, attributes }));
        }
    }
}
