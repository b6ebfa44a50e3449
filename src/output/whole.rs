//! Outputs that appear whole or not at all.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use super::OutputError;

/// Where an output is written before it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Beside its path, then renamed: nobody ever sees a part of it.
    Beside,
    /// At its path, and removed on failure: for Nix's builders, which may write nowhere else, and whose
    /// outputs nobody sees before they succeed.
    Direct,
}

/// A file that is not complete yet; dropped before that, it is gone.
pub struct WholeFile {
    file: NamedTempFile,
    path: PathBuf,
    place: Place,
}

impl WholeFile {
    /// A new, empty file for `path`, which must not exist.
    pub fn create(path: &Path, place: Place) -> Result<WholeFile, OutputError> {
        refuse_existing(path)?;
        let file = match place {
            Place::Beside => tempfile::Builder::new().prefix(".gantry-").tempfile_in(parent(path)),
            Place::Direct => File::create_new(path)
                .and_then(|file| Ok(NamedTempFile::from_parts(file, TempPath::try_from_path(path)?))),
        }
        .map_err(|e| OutputError::io(path, e))?;
        Ok(WholeFile { file, path: path.to_path_buf(), place })
    }

    /// The open file.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// The file is complete: it is at its path, with mode 0644.
    pub fn finish(self) -> Result<(), OutputError> {
        self.finish_with(0o644)
    }

    /// The file is complete: it is at its path, with mode 0755.
    pub fn finish_executable(self) -> Result<(), OutputError> {
        self.finish_with(0o755)
    }

    fn finish_with(self, mode: u32) -> Result<(), OutputError> {
        let error = |e| OutputError::io(&self.path, e);
        self.file.as_file().set_permissions(Permissions::from_mode(mode)).map_err(error)?;
        let kept = match self.place {
            Place::Direct => self.file.keep().map(|_| ()).map_err(|e| e.error),
            Place::Beside => self.file.persist_noclobber(&self.path).map(|_| ()).map_err(|e| e.error),
        };
        kept.map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => OutputError::Exists(self.path.clone()),
            _ => OutputError::io(&self.path, e),
        })
    }
}

/// A directory that is not complete yet; dropped before that, it is gone with all that is in it.
pub struct WholeDirectory {
    working: PathBuf,
    path: PathBuf,
    complete: bool,
}

impl WholeDirectory {
    /// A new, empty directory for `path`, which must not exist.
    pub fn create(path: &Path, place: Place) -> Result<WholeDirectory, OutputError> {
        refuse_existing(path)?;
        let working = match place {
            Place::Beside => {
                tempfile::Builder::new().prefix(".gantry-").tempdir_in(parent(path)).map(|dir| dir.keep())
            }
            Place::Direct => fs::create_dir(path).map(|()| path.to_path_buf()),
        }
        .map_err(|e| OutputError::io(path, e))?;
        Ok(WholeDirectory { working, path: path.to_path_buf(), complete: false })
    }

    /// Where the directory is for now.
    pub fn working(&self) -> &Path {
        &self.working
    }

    /// The directory is complete: it is at its path, with mode 0755.
    pub fn finish(mut self) -> Result<(), OutputError> {
        let error = |e| OutputError::io(&self.path, e);
        fs::set_permissions(&self.working, Permissions::from_mode(0o755)).map_err(error)?;
        if self.working != self.path {
            refuse_existing(&self.path)?;
            fs::rename(&self.working, &self.path).map_err(error)?;
        }
        self.complete = true;
        Ok(())
    }
}

impl Drop for WholeDirectory {
    fn drop(&mut self) {
        if !self.complete {
            let _ = fs::remove_dir_all(&self.working); // the error that brought us here is the one to tell
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
