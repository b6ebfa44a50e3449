//! A tree on a disk: made of a root layer or of an image's files, and read back.
//!
//! What is below the top is reached through open directories and never through a link that the file system
//! follows; where a link of an image is to be followed, the kernel keeps to the tree (`openat2`,
//! `RESOLVE_IN_ROOT`).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};

use crate::base::filesystem::{self, InodeKind, Metadata};
use crate::fakeroot::{Device, Identity, Record, Records, SPECIAL};
use crate::layer::Progress;
use crate::root::tree::{Attributes, Content, Directory, Leaf, LeafKind, Node};
use crate::spec::PartialOwner;

/// Something that could not be done to a file of the tree.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct DiskError {
    path: PathBuf,
    source: io::Error,
}

/// A tree that is being made or read.
pub struct Disk<'r> {
    top: PathBuf,
    root: OwnedFd,
    records: &'r mut Records,
}

/// A directory that is open, and where it is, from the top.
struct Place {
    directory: OwnedFd,
    path: PathBuf,
}

impl Place {
    fn failed(&self, name: &OsStr) -> impl Fn(io::Error) -> DiskError {
        let path = Path::new("/").join(&self.path).join(name);
        move |source| DiskError { path: path.clone(), source }
    }

    fn errno(&self, name: &OsStr) -> impl Fn(rustix::io::Errno) -> DiskError {
        let failed = self.failed(name);
        move |e| failed(e.into())
    }
}

impl<'r> Disk<'r> {
    /// The tree at `top`, which exists.
    pub fn open(top: &Path, records: &'r mut Records) -> Result<Disk<'r>, DiskError> {
        let root = open_directory(rustix::fs::CWD, top.as_os_str())
            .map_err(|e| DiskError { path: top.into(), source: e.into() })?;
        Ok(Disk { top: top.into(), root, records })
    }

    /// Makes what is in `tree`, on top of what is there: where that has a link to a directory in place of
    /// one of the tree's, the link is followed.
    /// A directory that is there keeps its mode and owner, unless the tree has something to say of them.
    pub fn make(&mut self, tree: &Directory, over_an_image: bool) -> Result<(), DiskError> {
        let top = self.top_place()?;
        self.directory_attributes(&top, &tree.attributes, over_an_image)?;
        self.make_in(&top, tree)
    }

    fn directory_attributes(
        &mut self,
        place: &Place,
        attributes: &Attributes,
        is_there: bool,
    ) -> Result<(), DiskError> {
        match is_there && attributes.say_nothing_of_a_directory() {
            true => Ok(()),
            false => self.attributes(place, OsStr::new("."), attributes, None),
        }
    }

    fn top_place(&self) -> Result<Place, DiskError> {
        let directory =
            self.root.try_clone().map_err(|source| DiskError { path: self.top.clone(), source })?;
        Ok(Place { directory, path: PathBuf::new() })
    }

    fn make_in(&mut self, place: &Place, tree: &Directory) -> Result<(), DiskError> {
        for (name, node) in &tree.entries {
            match node {
                Node::Directory(directory) => {
                    let (below, is_there) = self.directory(place, name)?;
                    self.directory_attributes(&below, &directory.attributes, is_there)?;
                    self.make_in(&below, directory)?;
                }
                Node::Leaf(leaf) => {
                    self.clear(place, name)?;
                    self.leaf(place, name, leaf)?;
                    let device = match leaf.kind {
                        LeafKind::Character(major, minor) => Some(Device::Character(major, minor)),
                        LeafKind::Block(major, minor) => Some(Device::Block(major, minor)),
                        _ => None,
                    };
                    self.attributes(place, name, &leaf.attributes, device)?;
                }
            }
        }
        Ok(())
    }

    /// The directory called `name`, or the one that a link of this name leads to, or a new one; and whether
    /// it was there.
    fn directory(&mut self, place: &Place, name: &OsStr) -> Result<(Place, bool), DiskError> {
        let path = place.path.join(name);
        let open = || {
            rustix::fs::openat2(
                &self.root,
                &path,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
                ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
            )
        };
        // If anything is renamed on this machine while `..` is looked up, the kernel will not vouch for it.
        let mut found = open();
        while matches!(found, Err(rustix::io::Errno::AGAIN)) {
            found = open();
        }
        match found {
            Ok(directory) => {
                // Where it leads, a link below has to start from.
                let real =
                    fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&directory)));
                let real =
                    real.ok().and_then(|real| real.strip_prefix(&self.top).map(Path::to_path_buf).ok());
                return Ok((Place { directory, path: real.unwrap_or(path) }, true));
            }
            // A name that leads to no directory gives way to one.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {}
            Err(e) => return Err(place.errno(name)(e)),
        }
        self.clear(place, name)?;
        rustix::fs::mkdirat(&place.directory, name, Mode::RWXU).map_err(place.errno(name))?;
        let directory = open_directory(place.directory.as_fd(), name).map_err(place.errno(name))?;
        Ok((Place { directory, path }, false))
    }

    fn leaf(&mut self, place: &Place, name: &OsStr, leaf: &Leaf) -> Result<(), DiskError> {
        match &leaf.kind {
            LeafKind::Link(target) => {
                rustix::fs::symlinkat(target, &place.directory, name).map_err(place.errno(name))
            }
            LeafKind::Fifo => fifo(place, name),
            LeafKind::Character(..) | LeafKind::Block(..) => new_file(place, name).map(drop),
            LeafKind::File(Content::Bytes(bytes)) => {
                io::Write::write_all(&mut new_file(place, name)?, bytes).map_err(place.failed(name))
            }
            LeafKind::File(Content::Path(path, _)) => {
                // What another tree of the same run has made need not be copied. (What the store has must
                // be: a script may write to it.)
                let own = self.top.parent().is_some_and(|work| Path::new(path).starts_with(work));
                if own {
                    return rustix::fs::linkat(
                        rustix::fs::CWD,
                        path,
                        &place.directory,
                        name,
                        AtFlags::empty(),
                    )
                    .map_err(place.errno(name));
                }
                let source = |e| DiskError { path: path.into(), source: e };
                let mut from = File::open(path).map_err(source)?;
                io::copy(&mut from, &mut new_file(place, name)?).map_err(place.failed(name)).map(drop)
            }
        }
    }

    /// Sets mode and owner of `name`, the latter by recording it, and what device it stands for.
    fn attributes(
        &mut self,
        place: &Place,
        name: &OsStr,
        attributes: &Attributes,
        device: Option<Device>,
    ) -> Result<(), DiskError> {
        let status = stat(place, name)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::Symlink {
            let mode = Mode::from_raw_mode(attributes.mode & !SPECIAL);
            rustix::fs::chmodat(&place.directory, name, mode, AtFlags::empty()).map_err(place.errno(name))?;
        }
        self.records.insert(
            identity(&status),
            Record {
                uid: attributes.owner.uid,
                gid: attributes.owner.gid,
                special: attributes.mode & SPECIAL,
                device,
                xattrs: attributes.xattrs.clone(),
            },
        );
        Ok(())
    }

    /// Removes what is called `name`, whatever it is.
    fn clear(&mut self, place: &Place, name: &OsStr) -> Result<(), DiskError> {
        let Ok(status) = rustix::fs::statat(&place.directory, name, AtFlags::SYMLINK_NOFOLLOW) else {
            return Ok(());
        };
        let flags = match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => {
                let below = open_directory(place.directory.as_fd(), name).map_err(place.errno(name))?;
                let below = Place { directory: below, path: place.path.join(name) };
                for name in names(&below)? {
                    self.clear(&below, &name)?;
                }
                AtFlags::REMOVEDIR
            }
            _ => AtFlags::empty(),
        };
        if status.st_nlink <= 1 || flags == AtFlags::REMOVEDIR {
            self.records.forget(identity(&status));
        }
        rustix::fs::unlinkat(&place.directory, name, flags).map_err(place.errno(name))
    }

    /// Unpacks an image's files into the tree, which is empty.
    pub fn unpack(
        &mut self,
        image: &filesystem::Directory,
        progress: &dyn Progress,
    ) -> Result<(), DiskError> {
        let top = self.top_place()?;
        let mut links = BTreeMap::new();
        self.unpack_in(&top, image, &mut links, progress)?;
        self.metadata(&top, OsStr::new("."), &image.metadata, None)
    }

    fn unpack_in(
        &mut self,
        place: &Place,
        from: &filesystem::Directory,
        links: &mut BTreeMap<usize, PathBuf>,
        progress: &dyn Progress,
    ) -> Result<(), DiskError> {
        for (name, entry) in &from.entries {
            if progress.cancelled() {
                return Err(place.failed(name)(io::ErrorKind::Interrupted.into()));
            }
            match entry {
                filesystem::Entry::Directory(directory) => {
                    rustix::fs::mkdirat(&place.directory, name, Mode::RWXU).map_err(place.errno(name))?;
                    let below = open_directory(place.directory.as_fd(), name).map_err(place.errno(name))?;
                    let below = Place { directory: below, path: place.path.join(name) };
                    self.unpack_in(&below, directory, links, progress)?;
                    self.metadata(place, name, &directory.metadata, None)?;
                }
                filesystem::Entry::Inode(inode) => {
                    // Hard links of one file are one inode.
                    let key = std::sync::Arc::as_ptr(inode) as usize;
                    if let Some(first) = links.get(&key) {
                        rustix::fs::linkat(&self.root, first, &place.directory, name, AtFlags::empty())
                            .map_err(place.errno(name))?;
                        continue;
                    }
                    if std::sync::Arc::strong_count(inode) > 1 {
                        links.insert(key, place.path.join(name));
                    }
                    let device = match &inode.kind {
                        InodeKind::File(extent) => {
                            io::copy(&mut extent.reader(), &mut new_file(place, name)?)
                                .map_err(place.failed(name))?;
                            None
                        }
                        InodeKind::Symlink(target) => {
                            rustix::fs::symlinkat(OsStr::from_bytes(target), &place.directory, name)
                                .map_err(place.errno(name))?;
                            None
                        }
                        InodeKind::Fifo => {
                            fifo(place, name)?;
                            None
                        }
                        InodeKind::Character(major, minor) => {
                            new_file(place, name)?;
                            Some(Device::Character(*major, *minor))
                        }
                        InodeKind::Block(major, minor) => {
                            new_file(place, name)?;
                            Some(Device::Block(*major, *minor))
                        }
                    };
                    self.metadata(place, name, &inode.metadata, device)?;
                }
            }
        }
        Ok(())
    }

    fn metadata(
        &mut self,
        place: &Place,
        name: &OsStr,
        metadata: &Metadata,
        device: Option<Device>,
    ) -> Result<(), DiskError> {
        let owner =
            PartialOwner { uid: Some(metadata.uid), gid: Some(metadata.gid), ..PartialOwner::default() };
        let attributes = Attributes { mode: metadata.mode, owner, xattrs: metadata.xattrs.clone() };
        self.attributes(place, name, &attributes, device)
    }

    /// Everything in the tree, with what is recorded. `open_up`: whoever comes next, and may be no root, can
    /// read and remove all of it.
    pub fn read(&self, open_up: bool, each: &mut dyn FnMut(&Path, &Stat)) -> Result<Directory, DiskError> {
        let top = self.top_place()?;
        let tree = self.read_in(&top, each)?;
        // Only now: what is opened up under one name has other names.
        if open_up {
            let here = OsStr::new(".");
            let mode = Mode::from_raw_mode(stat(&top, here)?.st_mode & 0o7777 | 0o700);
            rustix::fs::fchmod(&top.directory, mode).map_err(top.errno(here))?;
            open_up_in(&top)?;
        }
        Ok(tree)
    }

    fn read_in(&self, place: &Place, each: &mut dyn FnMut(&Path, &Stat)) -> Result<Directory, DiskError> {
        let here = OsStr::new(".");
        let own = stat(place, here)?;
        each(&place.path, &own);
        let attributes = self.recorded(&own);
        let mut entries = BTreeMap::new();
        for name in names(place)? {
            let status = stat(place, &name)?;
            let kind = FileType::from_raw_mode(status.st_mode);
            if kind == FileType::Directory {
                let below = open_directory(place.directory.as_fd(), &name).map_err(place.errno(&name))?;
                let below = Place { directory: below, path: place.path.join(&name) };
                entries.insert(name, Node::Directory(self.read_in(&below, each)?));
                continue;
            }
            let path = place.path.join(&name);
            each(&path, &status);
            let device = self.records.get(identity(&status)).and_then(|record| record.device);
            let kind = match (device, kind) {
                (Some(Device::Character(major, minor)), _) => LeafKind::Character(major, minor),
                (Some(Device::Block(major, minor)), _) => LeafKind::Block(major, minor),
                (None, FileType::RegularFile) => LeafKind::File(Content::Path(
                    self.top.join(&path).into_os_string(),
                    status.st_size as u64,
                )),
                (None, FileType::Symlink) => {
                    let target = rustix::fs::readlinkat(&place.directory, &name, Vec::new());
                    LeafKind::Link(OsString::from_vec(target.map_err(place.errno(&name))?.into_bytes()))
                }
                (None, FileType::Fifo) => LeafKind::Fifo,
                // A socket belongs to who listens; in an image it is nothing.
                (None, _) => continue,
            };
            let mut attributes = self.recorded(&status);
            if matches!(kind, LeafKind::Link(_)) {
                attributes.mode = 0o777;
            }
            entries.insert(name, Node::Leaf(Leaf { kind, attributes }));
        }
        Ok(Directory { entries, attributes })
    }

    fn recorded(&self, status: &Stat) -> Attributes {
        let mode = status.st_mode & 0o7777;
        match self.records.get(identity(status)) {
            None => Attributes::of_mode(mode),
            Some(record) => Attributes {
                mode: mode | record.special,
                owner: PartialOwner { uid: record.uid, gid: record.gid, ..PartialOwner::default() },
                xattrs: record.xattrs.clone(),
            },
        }
    }
}

/// Which file this is the status of.
pub fn identity(status: &Stat) -> Identity {
    Identity { device: status.st_dev, inode: status.st_ino }
}

/// Gives the owner of files and directories what reading and removing them takes.
fn open_up_in(place: &Place) -> Result<(), DiskError> {
    for name in names(place)? {
        let status = stat(place, &name)?;
        let needed = match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => 0o700,
            FileType::RegularFile => 0o400,
            _ => continue,
        };
        if status.st_mode & needed != needed {
            let mode = Mode::from_raw_mode(status.st_mode & 0o7777 | needed);
            rustix::fs::chmodat(&place.directory, &name, mode, AtFlags::empty())
                .map_err(place.errno(&name))?;
        }
        if needed == 0o700 {
            let below = open_directory(place.directory.as_fd(), &name).map_err(place.errno(&name))?;
            open_up_in(&Place { directory: below, path: place.path.join(&name) })?;
        }
    }
    Ok(())
}

fn stat(place: &Place, name: &OsStr) -> Result<Stat, DiskError> {
    rustix::fs::statat(&place.directory, name, AtFlags::SYMLINK_NOFOLLOW).map_err(place.errno(name))
}

fn new_file(place: &Place, name: &OsStr) -> Result<File, DiskError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(&place.directory, name, flags, Mode::RUSR | Mode::WUSR)
        .map(File::from)
        .map_err(place.errno(name))
}

fn fifo(place: &Place, name: &OsStr) -> Result<(), DiskError> {
    rustix::fs::mknodat(&place.directory, name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
        .map_err(place.errno(name))
}

fn open_directory(at: impl AsFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

/// The names in a directory.
fn names(place: &Place) -> Result<Vec<OsString>, DiskError> {
    let failed = || place.errno(OsStr::new("."));
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(&place.directory).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name.to_vec()));
        }
    }
    Ok(names)
}
