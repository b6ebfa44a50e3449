//! Many blobs at once, into files.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::mirror::Place;
use super::transport::lock;
use super::watch::{Stop, watched};
use super::{Client, Reference, RegistryError};
use crate::image::Descriptor;
use crate::layer::Progress;
use crate::threads::together;

impl Client {
    /// Downloads blobs of the reference's repository into `folder`, each distinct one once, under the 64 digits of
    /// its digest; their paths, in the order of `descriptors`. A file gets its name when it is whole and right; what
    /// an error leaves behind are such files alone.
    pub fn blobs(
        &self,
        reference: &Reference,
        descriptors: &[Descriptor],
        folder: &Path,
        progress: &dyn Progress,
    ) -> Result<Vec<PathBuf>, RegistryError> {
        let mut sizes = BTreeMap::new();
        let mut distinct = Vec::new();
        for descriptor in descriptors {
            match sizes.insert(descriptor.digest, descriptor.size) {
                None => distinct.push(descriptor),
                Some(size) if size != descriptor.size => {
                    let object = format!("blob {} of {reference}", descriptor.digest);
                    let what = format!("it is said to have {size} bytes, and {}", descriptor.size);
                    return Err(RegistryError::document(&object, what));
                }
                Some(_) => {}
            }
        }
        let places = self.places(reference);
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(None);
        watched(&self.transport, progress, |stop| {
            let worker = || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(descriptor) = distinct.get(index).filter(|_| !stop.is_stopped()) else { return };
                    progress.layer(index, distinct.len());
                    if let Err(error) = self.blob_to_file(&places, descriptor, folder, progress, stop) {
                        // The first error is the cause of the others.
                        lock(&failed).get_or_insert(error);
                        stop.fail();
                    }
                }
            };
            together(self.concurrency.min(distinct.len()), worker);
            match lock(&failed).take() {
                Some(error) => Err(error),
                None => stop.check(),
            }
        })?;
        Ok(descriptors.iter().map(|descriptor| folder.join(descriptor.digest.hex())).collect())
    }

    fn blob_to_file(
        &self,
        places: &[Place],
        descriptor: &Descriptor,
        folder: &Path,
        progress: &dyn Progress,
        stop: &Stop,
    ) -> Result<(), RegistryError> {
        let path = folder.join(descriptor.digest.hex());
        let write = |source| RegistryError::Write { target: path.display().to_string(), source };
        let mut builder = tempfile::Builder::new();
        // As any file would have; the umask takes its part.
        builder.prefix(".blob-").permissions(Permissions::from_mode(0o666));
        let file = builder.tempfile_in(folder).map_err(write)?;
        self.download(places, descriptor, &mut file.as_file(), progress, stop)?;
        // A name that is taken is taken by the same bytes, or by a wrong file.
        let _ = fs::remove_file(&path);
        file.persist(&path).map_err(|e| write(e.error))?;
        Ok(())
    }
}
