//! The mount points in a root that is being made: directories that are there for its script alone.
//!
//! A script may rename directories and put links in their place, so everything is reached from the root itself, and never
//! through a link.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::fakeroot::{Identity, Records};

/// Directories of the root being made that are there for the script alone.
pub struct Scaffold {
    root: OwnedFd,
    made: Vec<Made>,
}

/// One of them.
struct Made {
    /// From the root on.
    path: PathBuf,
    identity: Identity,
}

impl Scaffold {
    /// Makes what is missing in `root` to mount things on.
    pub fn raise(root: &Path, store: &Path) -> io::Result<Scaffold> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty())?;
        let mut made = Vec::new();
        for path in [Path::new("/proc"), Path::new("/dev"), store] {
            let mut at = PathBuf::new();
            for component in path.iter().skip(1) {
                at.push(component);
                match rustix::fs::statat(&root, &at, AtFlags::SYMLINK_NOFOLLOW) {
                    // A mount on a link would be made outside the root.
                    Ok(status) if FileType::from_raw_mode(status.st_mode) == FileType::Directory => {}
                    Ok(_) => {
                        return Err(io::Error::other(format!(
                            "/{} is not a directory, and has to be one for scripts",
                            at.display()
                        )));
                    }
                    Err(Errno::NOENT) => {
                        rustix::fs::mkdirat(&root, &at, Mode::RWXU)?;
                        rustix::fs::chmodat(&root, &at, Mode::from_raw_mode(0o755), AtFlags::empty())?;
                        let status = rustix::fs::statat(&root, &at, AtFlags::SYMLINK_NOFOLLOW)?;
                        made.push(Made { path: at.clone(), identity: identity(&status) });
                    }
                    Err(e) => return Err(e.into()),
                }
            }
        }
        Ok(Scaffold { root, made })
    }

    /// Removes those that are empty, and what is recorded of them.
    pub fn lower(self, records: &mut Records) -> io::Result<()> {
        for Made { path, identity: made } in self.made.iter().rev() {
            let (parent, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or(OsStr::new(".")));
            let Some(parent) = self.open(parent)? else { continue };
            let Ok(status) = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            // The script has put another one there.
            if identity(&status) != *made {
                continue;
            }
            match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
                Ok(()) => records.forget(*made),
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// A directory of the root, unless a link, or nothing, is in its place.
    fn open(&self, path: &Path) -> io::Result<Option<OwnedFd>> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve) {
            Ok(directory) => Ok(Some(directory)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}

fn identity(status: &Stat) -> Identity {
    Identity { device: status.st_dev, inode: status.st_ino }
}
