//! Temporary directories: removed with everything in them, and named in a warning where that fails, because nothing
//! else would tell the user what is left on the disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::printable::to_stderr;

/// A temporary directory, removed when it is dropped.
#[derive(Debug)]
pub struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    /// A new, empty one in `parent`, with a name that begins with `prefix`, for this user alone.
    pub fn new_in(parent: &Path, prefix: &str) -> io::Result<TemporaryDirectory> {
        let directory = tempfile::Builder::new().prefix(prefix).tempdir_in(parent).map_err(without_path)?;
        Ok(TemporaryDirectory(directory.keep()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        warn(&self.0, fs::remove_dir_all(&self.0));
    }
}

/// An error of the crate `tempfile` without the random name that could not be made: it is not there, and says nothing.
pub fn without_path(error: io::Error) -> io::Error {
    let source =
        error.get_ref().and_then(|with_path| with_path.source()).and_then(|e| e.downcast_ref::<io::Error>());
    source.and_then(io::Error::raw_os_error).map_or(error, io::Error::from_raw_os_error)
}

/// Warns if `path` could not be removed. That it is gone already is as good.
pub fn warn(path: &Path, removed: io::Result<()>) {
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            to_stderr("warning", &format!("cannot remove {}: {e}; remove it by hand", path.display()));
        }
        _ => {}
    }
}
