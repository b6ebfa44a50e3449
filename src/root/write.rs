//! A root layer as a tar: names begin with `./`, in the order of their bytes; what says nothing of its owner
//! has the image's.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::RootError;
use super::recorded::RecordedLayer;
use super::tree::{Attributes, Content, Directory, Leaf, LeafKind, Node};
use crate::digest::Hasher;
use crate::layer::Progress;
use crate::layer::tar::{self, Entry, Kind, Shared};
use crate::spec::{Owner, PartialOwner, User};

/// What a root layer's members share, unless they say otherwise.
pub(super) struct Defaults<'d> {
    /// Time and owner.
    pub shared: &'d Shared,
    /// Users whose names are known by their numbers.
    pub users: &'d [User],
}

impl Defaults<'_> {
    /// The owner of what says this.
    pub(super) fn owner(&self, said: &PartialOwner) -> Owner {
        let default = &self.shared.owner;
        let uid = said.uid.unwrap_or(default.uid);
        let gid = said.gid.unwrap_or(default.gid);
        let user = self.users.iter().find(|user| user.uid == uid).map(|user| &user.name);
        let group = self.users.iter().find(|user| user.gid == gid).map(|user| &user.group);
        Owner {
            uid,
            gid,
            uname: name(&said.uname, uid, (default.uid, &default.uname), user),
            gname: name(&said.gname, gid, (default.gid, &default.gname), group),
        }
    }
}

/// The name that goes with a number: as said, the default's, or what is known of it; else none.
fn name(said: &Option<String>, id: u32, default: (u32, &String), known: Option<&String>) -> String {
    match (said, id) {
        (Some(name), _) => name.clone(),
        (None, id) if id == default.0 => default.1.clone(),
        (None, 0) => "root".to_owned(),
        (None, _) => known.cloned().unwrap_or_default(),
    }
}

/// Writes `root` as a tar to the new file `path`.
pub(super) fn write(
    root: &Directory,
    defaults: &Defaults,
    path: &Path,
    progress: &dyn Progress,
) -> Result<RecordedLayer, RootError> {
    let error = |e| RootError::io(path, e);
    let file = File::create_new(path).map_err(error)?;
    let mut tar = Tar {
        defaults,
        path,
        progress,
        out: BufWriter::with_capacity(1 << 20, file),
        hasher: Hasher::new(),
        size: 0,
    };
    tar.directory(root, &mut b"./".to_vec())?;
    let members = tar.size;
    tar.bytes(&vec![0; tar::end_of_archive(members) as usize])?;
    tar.out.flush().map_err(error)?;
    Ok(RecordedLayer { digest: tar.hasher.finish(), size: tar.size, members })
}

struct Tar<'t> {
    defaults: &'t Defaults<'t>,
    path: &'t Path,
    progress: &'t dyn Progress,
    out: BufWriter<File>,
    hasher: Hasher,
    size: u64,
}

impl Tar<'_> {
    /// A directory whose name, with its slash, is `name`, and everything in it.
    fn directory(&mut self, directory: &Directory, name: &mut Vec<u8>) -> Result<(), RootError> {
        self.entry(name, &directory.attributes, Kind::Directory)?;
        let length = name.len();
        for (child, node) in &directory.entries {
            name.extend_from_slice(child.as_bytes());
            match node {
                Node::Leaf(leaf) => self.leaf(leaf, name)?,
                Node::Directory(directory) => {
                    name.push(b'/');
                    self.directory(directory, name)?;
                }
            }
            name.truncate(length);
        }
        Ok(())
    }

    fn leaf(&mut self, leaf: &Leaf, name: &[u8]) -> Result<(), RootError> {
        let attributes = &leaf.attributes;
        match &leaf.kind {
            LeafKind::Link(target) => self.entry(name, attributes, Kind::Symlink(target.as_bytes())),
            LeafKind::Character(major, minor) => {
                self.entry(name, attributes, Kind::Character(*major, *minor))
            }
            LeafKind::Block(major, minor) => self.entry(name, attributes, Kind::Block(*major, *minor)),
            LeafKind::Fifo => self.entry(name, attributes, Kind::Fifo),
            LeafKind::File(content) => {
                let size = content.size();
                self.entry(name, attributes, Kind::File(size))?;
                match content {
                    Content::Path(path, size) => self.content(Path::new(path), *size)?,
                    Content::Bytes(bytes) => self.bytes(bytes)?,
                }
                self.bytes(&[0; tar::BLOCK as usize][..tar::padding(size) as usize])
            }
        }
    }

    fn entry(&mut self, name: &[u8], attributes: &Attributes, kind: Kind) -> Result<(), RootError> {
        let mut header = Vec::new();
        let entry = Entry { name, mode: attributes.mode, kind };
        match attributes.owner == PartialOwner::default() {
            true => self.defaults.shared.header_with(&entry, &attributes.xattrs, &mut header),
            false => {
                let owner = self.defaults.owner(&attributes.owner);
                let shared = Shared { mtime: self.defaults.shared.mtime, owner };
                shared.header_with(&entry, &attributes.xattrs, &mut header);
            }
        }
        self.bytes(&header)
    }

    fn content(&mut self, path: &Path, size: u64) -> Result<(), RootError> {
        let mut file = File::open(path).map_err(|e| RootError::io(path, e))?.take(size + 1);
        let mut chunk = vec![0; 256 << 10];
        let mut left = size;
        loop {
            let n = match file.read(&mut chunk) {
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(RootError::io(path, e)),
            };
            match left.checked_sub(n as u64) {
                Some(rest) if n > 0 => left = rest,
                Some(0) => return Ok(()),
                _ => return Err(RootError::Changed(path.to_path_buf())),
            }
            self.bytes(&chunk[..n])?;
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), RootError> {
        if self.progress.cancelled() {
            return Err(RootError::Interrupted);
        }
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.out.write_all(bytes).map_err(|e| RootError::io(self.path, e))
    }
}
