//! Outputs that appear whole or not at all.
//!
//! A file beside its path has no name before it is complete (`O_TMPFILE`), so that nothing is left of it however the
//! process ends. Where the file system has no such files, and for directories, a name that begins with `.gantry-`
//! stands for the output meanwhile: a process that is killed leaves that.
//!
//! What is written beside its path is on the disk before it has its name (`fsync`), and the name is on the disk before
//! the command succeeds: after a power cut, a path has all of its output, or nothing. What builders write into the store
//! is for Nix to sync (its setting `fsync-store-paths`), so that nothing is synced at [`Place::Direct`].

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::OutputError;
use crate::temporary::{warn, without_path};

/// Where an output is written before it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Beside its path, and moved there: a part of it is never seen, and a power cut leaves none.
    Beside,
    /// At its path, and removed on failure: for Nix's builders, which may write nowhere else, and whose outputs Nix
    /// hides until they succeed; and for what is in a temporary directory.
    Direct,
}

/// What the names of outputs that are not complete begin with.
const PREFIX: &str = ".gantry-";

/// A file that is not complete yet; dropped before that, it is gone.
pub struct WholeFile {
    file: File,
    /// The name that the file has meanwhile, if it has one.
    name: Option<PathBuf>,
    path: PathBuf,
    place: Place,
}

impl WholeFile {
    /// A new, empty file for `path`, which must not exist.
    pub fn create(path: &Path, place: Place) -> Result<WholeFile, OutputError> {
        refuse_existing(path)?;
        let (file, name) = match place {
            Place::Direct => File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(path)
                .map(|f| (f, Some(path.into()))),
            Place::Beside => beside(path),
        }
        .map_err(|e| OutputError::io(path, e))?;
        Ok(WholeFile { file, name, path: path.to_path_buf(), place })
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Writes `bytes` where the last ones ended.
    pub fn write_all(&self, bytes: &[u8]) -> Result<(), OutputError> {
        (&self.file).write_all(bytes).map_err(|e| OutputError::io(&self.path, e))
    }

    /// The file is complete: it is at its path, with mode 0644.
    pub fn finish(self) -> Result<(), OutputError> {
        self.finish_with(0o644)
    }

    /// The file is complete: it is at its path, with mode 0755.
    pub fn finish_executable(self) -> Result<(), OutputError> {
        self.finish_with(0o755)
    }

    fn finish_with(mut self, mode: u32) -> Result<(), OutputError> {
        self.publish(mode).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => OutputError::Exists(self.path.clone()),
            _ => OutputError::io(&self.path, e),
        })?;
        self.name = None;
        Ok(())
    }

    fn publish(&mut self, mode: u32) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(mode))?;
        if self.place == Place::Direct {
            return Ok(());
        }
        sync(&self.file)?;
        match &self.name {
            Some(name) => rename_new(name, &self.path)?,
            None => {
                rustix::fs::linkat(CWD, of_descriptor(&self.file), CWD, &self.path, AtFlags::SYMLINK_FOLLOW)?
            }
        }
        // From here on, this is the name to remove should anything fail.
        self.name = Some(self.path.clone());
        sync_directory(parent(&self.path))
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            warn(name, fs::remove_file(name));
        }
    }
}

/// A new file in the directory of `path`: without a name, or with one.
fn beside(path: &Path) -> io::Result<(File, Option<PathBuf>)> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(parent(path), flags, Mode::RUSR | Mode::WUSR).map(File::from) {
        // Without /proc an ordinary user cannot give the file a name.
        Ok(file) if fs::metadata(of_descriptor(&file)).is_ok() => Ok((file, None)),
        Ok(_) | Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
            let named =
                tempfile::Builder::new().prefix(PREFIX).tempfile_in(parent(path)).map_err(without_path)?;
            let (file, name) = named.keep().map_err(|e| e.error)?;
            Ok((file, Some(name)))
        }
        Err(e) => Err(e.into()),
    }
}

fn of_descriptor(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// A directory that is not complete yet; dropped before that, it is gone with all that is in it.
pub struct WholeDirectory {
    working: PathBuf,
    path: PathBuf,
    place: Place,
    complete: bool,
}

impl WholeDirectory {
    /// A new, empty directory for `path`, which must not exist.
    pub fn create(path: &Path, place: Place) -> Result<WholeDirectory, OutputError> {
        refuse_existing(path)?;
        let working = match place {
            Place::Beside => tempfile::Builder::new()
                .prefix(PREFIX)
                .tempdir_in(parent(path))
                .map(|dir| dir.keep())
                .map_err(without_path),
            Place::Direct => fs::create_dir(path).map(|()| path.to_path_buf()),
        }
        .map_err(|e| OutputError::io(path, e))?;
        Ok(WholeDirectory { working, path: path.to_path_buf(), place, complete: false })
    }

    /// Where the directory is for now.
    pub fn working(&self) -> &Path {
        &self.working
    }

    /// Where the directory will be: what messages name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory is complete: it is at its path, with mode 0755.
    pub fn finish(mut self) -> Result<(), OutputError> {
        self.publish().map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => OutputError::Exists(self.path.clone()),
            _ => OutputError::io(&self.path, e),
        })?;
        self.complete = true;
        Ok(())
    }

    fn publish(&mut self) -> io::Result<()> {
        fs::set_permissions(&self.working, Permissions::from_mode(0o755))?;
        if self.place == Place::Direct {
            return Ok(());
        }
        sync_tree(&self.working)?;
        rename_new(&self.working, &self.path)?;
        // From here on, this is the name to remove should anything fail.
        self.working = self.path.clone();
        sync_directory(parent(&self.path))
    }
}

impl Drop for WholeDirectory {
    fn drop(&mut self) {
        if !self.complete {
            warn(&self.working, fs::remove_dir_all(&self.working));
        }
    }
}

/// The folder in which the temporary of `path` is made.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Refuses a path that exists; a dangling link exists too.
fn refuse_existing(path: &Path) -> Result<(), OutputError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(OutputError::Exists(path.to_path_buf())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(OutputError::io(path, e)),
    }
}

/// Renames a file or directory to a path that does not exist.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some network and user-space file systems cannot do that: then there is a moment between look and rename.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(from, to),
        },
        done => Ok(done?),
    }
}

/// Has the disk keep a file. A file system that cannot say when it has done so (fsync(2), EINVAL) is taken as it is.
fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(e) if e.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(()),
        done => done,
    }
}

/// Has the disk keep the names in a directory. One that may be written to and not read cannot be opened for that.
fn sync_directory(path: &Path) -> io::Result<()> {
    match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        opened => sync(&opened?),
    }
}

/// Has the disk keep a directory with everything in it. Links are not followed: their targets are not of this output.
fn sync_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => sync_tree(&entry.path())?,
            kind if kind.is_file() => sync(&File::open(entry.path())?)?,
            _ => {}
        }
    }
    sync(&File::open(directory)?)
}
