//! An OCI image layout: a directory. Its names are made by us (of digests), so none leads out of it;
//! blobs may be links, as in the layouts that `builtins.pullImage` makes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{BaseError, Files};
use crate::layer::Extent;

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
    fn find(&self, name: &str) -> Result<Option<Extent>, BaseError> {
        let path = self.path.join(name);
        let error = |source| BaseError::Io { path: path.clone(), source };
        // Looked at before it is opened: a FIFO would block.
        match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(error(e)),
            Ok(metadata) if !metadata.is_file() => Err(error(io::Error::other("not a regular file"))),
            Ok(_) => {
                let file = File::open(&path).map_err(error)?;
                let size = file.metadata().map_err(error)?.len();
                Ok(Some(Extent { file: Arc::new(file), offset: 0, size, path: path.into() }))
            }
        }
    }
}
