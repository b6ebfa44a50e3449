//! An OCI image layout whose blobs are links to files in the store: what `builtins.pullImage` makes, where
//! every blob is a store path of its own and images share them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{OCI_LAYOUT, OutputError, Place, WholeDirectory};
use crate::digest::Digest;
use crate::image::{Descriptor, ImageError};
use crate::image::{blob_path, layout_index};

/// Why the layout could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LinksError {
    /// It could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// It could not be described.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// Makes a layout at `path`, which must not exist, of the image `name:tag` whose manifest is `manifest`.
/// `blobs` are files with their digests, the manifest's own included.
pub fn link_layout(
    path: &Path,
    place: Place,
    (name, tag): (&str, &str),
    manifest: Descriptor,
    blobs: &[(Digest, PathBuf)],
) -> Result<(), LinksError> {
    let whole = WholeDirectory::create(path, place)?;
    let at = |name: &str| whole.working().join(name);
    // The directory beside the path is gone when the error is read.
    let error = |source| OutputError::io(path, source);
    let directory = at("blobs/sha256");
    fs::create_dir_all(directory).map_err(error)?;
    let mut distinct = blobs.to_vec();
    distinct.sort();
    distinct.dedup_by_key(|(digest, _)| *digest);
    for (digest, target) in distinct {
        let link = at(&blob_path(digest));
        symlink(target, link).map_err(error)?;
    }
    let index = layout_index(name, tag, manifest)?;
    for (name, bytes) in [("index.json", &index[..]), ("oci-layout", OCI_LAYOUT)] {
        fs::write(at(name), bytes).map_err(error)?;
    }
    Ok(whole.finish()?)
}
