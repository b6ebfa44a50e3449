//! An OCI image layout: a directory.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{BaseError, Files};

/// The directory.
pub(super) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(super) fn new(path: &Path) -> Directory {
        Directory { path: path.to_path_buf() }
    }
}

impl Files for Directory {
    fn read(&self, name: &str, limit: usize) -> Result<Vec<u8>, BaseError> {
        let path = self.path.join(name);
        let wrong = |what: String| BaseError::Document { path: self.path.clone(), name: name.into(), what };
        let mut bytes = Vec::new();
        File::open(&path).and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes)).map_err(
            |source| match source.kind() {
                io::ErrorKind::NotFound => wrong("missing".into()),
                _ => BaseError::Io { path: path.clone(), source },
            },
        )?;
        match bytes.len() > limit {
            true => Err(wrong(format!("more than {limit} bytes"))),
            false => Ok(bytes),
        }
    }
}
