//! From a registry to a file or folder: what `builtins.pullImage`'s derivations and `gantry pull` do.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;

use crate::image::{Descriptor, layout_index};
use crate::layer::Progress;
use crate::output::docker_archive::{
    Destination, DockerArchive, DockerArchiveError, InvalidDestination, Limits, ReadSeek,
};
use crate::output::{LinksError, OutputError, Place, WholeDirectory, WholeFile};
use crate::registry::{Client, Platform, Reference, RegistryError, Resolved};
use crate::temporary::{TemporaryDirectory, without_path};

/// Why an image could not be pulled.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The registry, or the way to it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The docker-archive.
    #[error("{reference}: {source}")]
    DockerArchive {
        /// The image.
        reference: String,
        /// What is wrong with it, or with the archive.
        source: Box<DockerArchiveError>,
    },
    /// The name in the docker-archive.
    #[error(transparent)]
    Destination(#[from] InvalidDestination),
    /// The file or folder.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The layout.
    #[error(transparent)]
    Links(#[from] LinksError),
}

impl PullError {
    /// `path` could not be written.
    fn io(path: &Path, source: io::Error) -> PullError {
        OutputError::Io { path: path.to_path_buf(), source }.into()
    }

    /// Of a download to `path`, or to a directory in it that is gone when the error is read.
    fn download(path: &Path) -> impl Fn(RegistryError) -> PullError + '_ {
        |error| match error {
            RegistryError::Write { source, .. } => PullError::io(path, without_path(source)),
            other => other.into(),
        }
    }

    /// Whether the user stopped it.
    pub fn is_interruption(&self) -> bool {
        match self {
            PullError::Registry(error) => matches!(error, RegistryError::Cancelled),
            PullError::DockerArchive { source, .. } => matches!(**source, DockerArchiveError::Interrupted),
            _ => false,
        }
    }
}

/// What is pulled, and with what.
pub struct Pull<'p> {
    /// The client.
    pub client: &'p Client,
    /// The image.
    pub reference: &'p Reference,
    /// Which image of an index.
    pub platform: &'p Platform,
    /// Told what goes on.
    pub progress: &'p dyn Progress,
}

impl Pull<'_> {
    /// The image, by its manifest.
    pub fn resolve(&self) -> Result<Resolved, PullError> {
        Ok(self.client.resolve(self.reference, self.platform, self.progress)?)
    }

    /// Pulls into an OCI image layout at `path`, which must not exist, under the name `name:tag`.
    pub fn layout(
        &self,
        path: &Path,
        place: Place,
        (name, tag): (&str, &str),
    ) -> Result<Resolved, PullError> {
        let resolved = self.resolve()?;
        let whole = WholeDirectory::create(path, place)?;
        let blobs = whole.working().join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|e| PullError::io(path, e))?;
        let config = self.client.config(self.reference, &resolved.image, self.platform, self.progress)?;
        self.client
            .blobs(self.reference, &resolved.image.layers, &blobs, self.progress)
            .map_err(PullError::download(path))?;
        let manifest = &resolved.manifest;
        let descriptor = Descriptor::new(&manifest.media_type, manifest.digest, manifest.bytes.len() as u64);
        let index = layout_index(name, tag, descriptor).map_err(LinksError::from)?;
        for (file, bytes) in [
            (blobs.join(resolved.image.config.digest.hex()), &config),
            (blobs.join(manifest.digest.hex()), &manifest.bytes),
            (whole.working().join("index.json"), &index),
            (whole.working().join("oci-layout"), &crate::output::OCI_LAYOUT.to_vec()),
        ] {
            fs::write(&file, bytes).map_err(|e| PullError::io(path, e))?;
        }
        whole.finish()?;
        Ok(resolved)
    }

    /// Pulls into a docker-archive at `path`, which must not exist, byte for byte as skopeo writes it,
    /// under the name `name:tag`. Blobs are kept in a folder below `temporary` meanwhile.
    pub fn docker_archive(
        &self,
        path: &Path,
        place: Place,
        (name, tag): (&str, &str),
        temporary: &Path,
        threads: usize,
    ) -> Result<Resolved, PullError> {
        let destination: Destination = format!("{name}:{tag}").parse()?;
        let resolved = self.resolve()?;
        let folder =
            TemporaryDirectory::new_in(temporary, "gantry-").map_err(|e| PullError::io(temporary, e))?;
        let config = self.client.config(self.reference, &resolved.image, self.platform, self.progress)?;
        self.client
            .blobs(self.reference, &resolved.image.layers, folder.path(), self.progress)
            .map_err(PullError::download(temporary))?;
        let open = |layer: &Descriptor| {
            let file = File::open(folder.path().join(layer.digest.hex()))?;
            Ok(Box::new(file) as Box<dyn ReadSeek + Send>)
        };
        let archive = DockerArchive {
            manifest: &resolved.image,
            config: &config,
            destination: &destination,
            open: &open,
        };
        let written = archive.write(path, place, Limits { threads, size: u64::MAX }, self.progress);
        written.map(|()| resolved).map_err(|error| match error {
            DockerArchiveError::Output(error) => error.into(),
            source => {
                PullError::DockerArchive { reference: self.reference.to_string(), source: Box::new(source) }
            }
        })
    }

    /// Pulls one blob into the file `path`, which must not exist.
    pub fn blob(&self, descriptor: &Descriptor, path: &Path, place: Place) -> Result<(), PullError> {
        let whole = WholeFile::create(path, place)?;
        let mut file = BufWriter::new(whole.file());
        self.client
            .blob(self.reference, descriptor, &mut file, self.progress)
            .map_err(PullError::download(path))?;
        file.into_inner().map_err(|e| PullError::io(path, e.into_error()))?;
        Ok(whole.finish()?)
    }
}
