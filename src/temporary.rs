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

    /// `message` with the directory that this is in, in place of this and of everything in it.
    pub fn hide(&self, message: &str) -> String {
        hide(message, &self.0, &self.0.parent().unwrap_or(Path::new("/")).display().to_string())
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        warn(&self.0, fs::remove_dir_all(&self.0));
    }
}

/// An error of the crate `tempfile` without the random name that could not be made: it is not there, and says nothing.
pub fn without_path(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((said, _)) => io::Error::new(error.kind(), said.to_owned()),
        None => error,
    }
}

/// `message` with `shown` in place of `directory` and of everything in it: what is gone when the message is read.
pub fn hide(message: &str, directory: &Path, shown: &str) -> String {
    let directory = directory.display().to_string();
    let mut parts = message.split(&directory);
    let mut hidden = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let rest = part.find(|c: char| c.is_whitespace() || matches!(c, ':' | '"' | ',' | ';'));
        hidden += shown;
        hidden += &part[rest.unwrap_or(part.len())..];
    }
    hidden
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_not_named() {
        let shown = |message| hide(message, Path::new("/tmp/x"), "/tmp");
        assert_eq!(shown("cannot write /tmp/x/image.tar: full"), "cannot write /tmp: full");
        assert_eq!(shown("\"/tmp/x\" and /tmp/x/a/b"), "\"/tmp\" and /tmp");
        assert_eq!(shown("/tmp: full"), "/tmp: full");
    }

    #[test]
    fn an_error_of_a_temporary_name_keeps_its_cause() {
        let error = tempfile::tempdir_in("/nonexistent").unwrap_err();
        assert!(error.to_string().contains("/nonexistent/"), "{error}");
        assert_eq!(without_path(error).to_string(), "No such file or directory (os error 2)");
    }
}
