//! The file system that an image's layers make together: a tree in memory, of metadata and of places in
//! the layers' tars. Nothing is unpacked, so nothing in a layer can reach a file of this machine: links are
//! followed in the tree alone.

mod apply;
mod member;
mod stream;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{BaseError, Opened, OpenedLayer, tar};
use crate::layer::tar::Xattrs;
use crate::layer::{Extent, Progress};
use apply::Applied;
use member::Names;
use stream::Stream;

/// A directory. A tree has millions of entries at times, so those are small: what they share is shared.
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
    Directory(Box<Directory>),
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
    pub uname: Arc<str>,
    /// Group name.
    pub gname: Arc<str>,
    /// Modification time, in seconds since 1970.
    pub mtime: i64,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

impl Directory {
    /// Where the directory is that `path` leads to, links followed, where this is the root; without a slash at
    /// the beginning.
    pub fn directory(&self, path: &Path) -> Option<PathBuf> {
        apply::directory(self, path.as_os_str().as_encoded_bytes())
    }

    /// The regular file that `path` leads to, links followed, where this is the root.
    pub fn file(&self, path: &Path) -> Option<&Extent> {
        apply::file(self, path.as_os_str().as_encoded_bytes())
    }
}

/// The root directory of `image`: its layers, bottom first, each on top of those before it. Reads every layer
/// once, to its end, and compares it with its diff ID; compressed ones are kept in a temporary file without a
/// name. Tells `progress` of bytes of blobs.
pub fn read(image: &Opened, progress: &dyn Progress) -> Result<Directory, BaseError> {
    read_at_most(MOST_MEMBERS, image, progress)
}

fn read_at_most(most: usize, image: &Opened, progress: &dyn Progress) -> Result<Directory, BaseError> {
    let mut left = most;
    let mut names = Names::default();
    let mut root = Directory { metadata: Metadata::of_nobody(), entries: BTreeMap::new() };
    for (index, layer) in image.layers.iter().enumerate() {
        progress.layer(index, image.layers.len());
        add(&mut root, layer, index + 1, (&mut left, most), &mut names, progress)?;
    }
    Ok(root)
}

/// Members of all layers of an image: a tree of so many takes some 0.8 GB of memory.
const MOST_MEMBERS: usize = 2_000_000;

fn add(
    root: &mut Directory,
    layer: &OpenedLayer,
    number: usize,
    (left, most): (&mut usize, usize),
    names: &mut Names,
    progress: &dyn Progress,
) -> Result<(), BaseError> {
    let stream = Stream::new(layer, number, progress)?;
    let place = stream.place();
    let mut members = tar::Members::new(stream);
    let mut applied = Applied::new(root);
    while let Some(member) = members.next()? {
        let name = member.name();
        *left = left.checked_sub(1).ok_or_else(|| {
            let what = format!("more than {most} members, with those of the layers below");
            members.wrong(member.at, &what)
        })?;
        member::read(&member, &place, names)
            .and_then(|(metadata, what)| applied.add(&name, metadata, what))
            .map_err(|what| {
                members.wrong(member.at, &format!("{:?}: {what}", String::from_utf8_lossy(&name)))
            })?;
    }
    members.into_source().finish()
}

impl Metadata {
    /// Of a directory that no layer says anything of.
    fn of_nobody() -> Metadata {
        Metadata { mode: 0o755, ..Metadata::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::base::Container;
    use crate::digest::Digest;
    use crate::image::{Document, ImageConfig, RootFs};
    use crate::layer::tar::{Entry, Kind, Shared};
    use crate::layer::{Encoding, Silent};
    use crate::spec::Owner;

    #[test]
    fn members_are_counted_over_all_layers() {
        let owner = Owner { uid: 0, gid: 0, uname: String::new(), gname: String::new() };
        let block =
            Shared { mtime: 1, owner }.one_block(&Entry { name: b"a", mode: 0o644, kind: Kind::File(0) });
        let folder = tempfile::tempdir().unwrap();
        let layer = |members: usize| {
            let bytes = [&block.repeat(members)[..], &[0; 1024]].concat();
            let path = folder.path().join(members.to_string());
            fs::write(&path, &bytes).unwrap();
            let file = Arc::new(File::open(&path).unwrap());
            let extent = Extent { file, offset: 0, size: bytes.len() as u64, path: path.into() };
            OpenedLayer { encoding: Encoding::Plain, digest: None, diff_id: Digest::of(&bytes), extent }
        };
        let layers = vec![layer(2), layer(3)];
        let config = ImageConfig {
            created: None,
            architecture: String::new(),
            variant: None,
            os: String::new(),
            config: Default::default(),
            rootfs: RootFs { kind: "layers".into(), diff_ids: Vec::new() },
            history: Vec::new(),
        };
        let config_document = Document::new(Vec::new());
        let container = Container::Layout;
        let image = Opened { container, reference: None, manifest: None, config_document, config, layers };
        assert_eq!(read_at_most(5, &image, &Silent).unwrap().entries.len(), 1);
        let error = read_at_most(4, &image, &Silent).unwrap_err().to_string();
        assert!(error.contains("/3: layer 2 (sha256:"), "{error}");
        assert!(
            error.contains("at byte 1024: more than 4 members, with those of the layers below"),
            "{error}"
        );
    }
}
