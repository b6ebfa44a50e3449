//! The docker-archive that skopeo writes, byte for byte (containers/image, docker/internal/tarfile, since
//! 5.6.0; skopeo 1.2 and later): what hashes of dockerTools' `pullImage` are hashes of.
//!
//! ```text
//! <diff ID>.tar                             each layer once, bottom first, decompressed
//! <digest>.json                             the configuration as it was downloaded
//! <ID>/layer.tar  <ID>/VERSION  <ID>/json   each layer, for Docker before 1.10
//! manifest.json  repositories
//! ```
//!
//! Where skopeo is lax and the difference is no hash that anybody has, this is strict: the
//! configuration's `diff_ids` must be those of the layers, or Docker would refuse the image later.

mod destination;
mod documents;
mod header;
mod json;
mod layers;
mod place;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;

pub use destination::{Destination, InvalidDestination};

use self::documents::Config;
use self::layers::{Guess, Work};
use self::place::{Places, Region};
use super::{OutputError, Place, WholeFile};
use crate::digest::Digest;
use crate::image::{Descriptor, Manifest};
use crate::layer::Progress;
use crate::layer::decompress::{least_size, likely_size};
use crate::layer::tar::{BLOCK, padding};
use crate::threads::ThreadError;

/// More bytes than any image has; offsets beyond are no good in every file system.
const LARGEST: u64 = 1 << 40;

/// What a layer's blob is read from: a file.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// Opens the blob that a descriptor names. Called twice or more often for each blob, from many threads.
pub type OpenLayer<'o> = dyn Fn(&Descriptor) -> io::Result<Box<dyn ReadSeek + Send>> + Sync + 'o;

/// An image to be archived.
pub struct DockerArchive<'i> {
    /// Its manifest, of OCI or of Docker (version 2, schema 2).
    pub manifest: &'i Manifest,
    /// Its configuration, as the registry has it.
    pub config: &'i [u8],
    /// What it is called in the archive.
    pub destination: &'i Destination,
    /// Where its layers come from; digests and sizes of blobs have been checked.
    pub open: &'i OpenLayer<'i>,
}

/// How it is archived.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Layers worked on at once; each has two threads.
    pub threads: usize,
    /// Bytes that the layers may have together without their compression. Never more is written, whatever
    /// they say of themselves.
    pub size: u64,
}

/// Why an image could not be archived.
#[derive(Debug, thiserror::Error)]
pub enum DockerArchiveError {
    /// The configuration is not what the manifest names.
    #[error("the configuration has the digest {found}, but the manifest names {expected}")]
    ConfigDigest {
        /// Of the bytes given.
        found: Digest,
        /// Of the manifest.
        expected: Digest,
    },
    /// The configuration says nothing of use.
    #[error("the image's configuration: {what}")]
    Config {
        /// Where, and what is wrong there.
        what: String,
    },
    /// As many layers here as there.
    #[error("the manifest has {layers} layers, but the configuration has {diff_ids} diff_ids")]
    DiffIdCount {
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        diff_ids: usize,
    },
    /// A layer is not what the configuration says.
    #[error("layer {position} ({blob}) has the diff_id {found}, but the configuration says {expected}")]
    DiffId {
        /// From the bottom, from 1.
        position: usize,
        /// The blob's digest.
        blob: Digest,
        /// What its bytes give.
        found: Digest,
        /// What the configuration says.
        expected: Digest,
    },
    /// A layer cannot be read or decompressed.
    #[error("layer {position} ({blob}): {source}")]
    Layer {
        /// From the bottom, from 1.
        position: usize,
        /// The blob's digest.
        blob: Digest,
        /// What is wrong.
        source: io::Error,
    },
    /// More bytes than are allowed.
    #[error(
        "the image's layers have more than {limit} bytes without compression: stopped in layer {position} ({blob})"
    )]
    TooLarge {
        /// From the bottom, from 1.
        position: usize,
        /// The blob's digest.
        blob: Digest,
        /// Bytes.
        limit: u64,
    },
    /// The archive cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The archive cannot be written, told by who does not know its path.
    #[error("cannot write the archive: {0}")]
    File(io::Error),
    /// Too few threads.
    #[error(transparent)]
    Threads(#[from] ThreadError),
    /// The user or Nix asked us to stop.
    #[error("interrupted")]
    Interrupted,
}

impl DockerArchiveError {
    /// Of the archive's file; what was interrupted is what we stopped ourselves.
    fn file(source: io::Error) -> DockerArchiveError {
        match source.kind() {
            io::ErrorKind::Interrupted => DockerArchiveError::Interrupted,
            _ => DockerArchiveError::File(source),
        }
    }
}

impl DockerArchive<'_> {
    /// Writes the archive to `path`, which must not exist; it appears there whole or not at all.
    pub fn write(
        &self,
        path: &Path,
        place: Place,
        limits: Limits,
        progress: &dyn Progress,
    ) -> Result<(), DockerArchiveError> {
        let digest = Digest::of(self.config);
        if digest != self.manifest.config.digest {
            return Err(DockerArchiveError::ConfigDigest {
                found: digest,
                expected: self.manifest.config.digest,
            });
        }
        let config = Config::parse(self.config)?;
        let (layers, diff_ids) = (self.manifest.layers.len(), config.diff_ids.len());
        if layers != diff_ids {
            return Err(DockerArchiveError::DiffIdCount { layers, diff_ids });
        }
        let whole = WholeFile::create(path, place)?;
        let written = self.write_layers(whole.file(), &config, limits, progress).and_then(|end| {
            let documents = self.documents(&config, digest);
            whole.file().write_all_at(&documents, end).map_err(DockerArchiveError::File)
        });
        written.map_err(|error| match error {
            DockerArchiveError::File(source) => OutputError::io(path, source).into(),
            other => other,
        })?;
        whole.finish().map_err(DockerArchiveError::Output)
    }

    /// Writes the members of the layers; the file ends where the next member begins.
    fn write_layers(
        &self,
        file: &File,
        config: &Config,
        limits: Limits,
        progress: &dyn Progress,
    ) -> Result<u64, DockerArchiveError> {
        let jobs = layers::jobs(&self.manifest.layers, &config.diff_ids);
        let limit = limits.size.min(LARGEST);
        let work = Work { jobs: &jobs, open: self.open, limit, threads: limits.threads, progress };
        let attempt = |guess: Guess| {
            let (places, regions) = Places::new(file, &work.sizes(guess)?, limit);
            work.run(&places, regions).map(|regions| (places, regions))
        };
        let (mut places, mut regions) = attempt(|blob| likely_size(blob))?;
        if !regions.iter().all(Region::is_full) {
            (places, regions) = attempt(|blob| least_size(blob))?;
        }
        if progress.cancelled() {
            return Err(DockerArchiveError::Interrupted);
        }
        let members = || jobs.iter().filter(|job| !job.again);
        if let Some((job, _)) = members().zip(&regions).find(|(_, region)| !region.is_full()) {
            // A sound blob is never shorter than it says; libzstd lets a frame pass whose last block is empty.
            let what = "it has fewer bytes without compression than it says";
            return Err(job.error(io::Error::new(io::ErrorKind::InvalidData, what)));
        }
        let (settled, end) = places
            .settle(&regions, &|| match progress.cancelled() {
                true => Err(io::ErrorKind::Interrupted.into()),
                false => Ok(()),
            })
            .map_err(DockerArchiveError::file)?;
        for (job, at) in members().zip(settled) {
            let write = |bytes: &[u8], at| file.write_all_at(bytes, at).map_err(DockerArchiveError::file);
            write(&header::file(&documents::layer_name(job.diff_id), at.size), at.header)?;
            write(&[0; BLOCK as usize][..padding(at.size) as usize], at.start + at.size)?;
        }
        file.set_len(end).map_err(DockerArchiveError::file)?;
        Ok(end)
    }

    /// All that follows the layers.
    fn documents(&self, config: &Config, digest: Digest) -> Vec<u8> {
        let folders = documents::legacy(config);
        let mut tar = Tar(Vec::new());
        tar.file(&documents::config_name(digest), self.config);
        for (folder, diff_id) in folders.iter().zip(&config.diff_ids) {
            let target = format!("../{}", documents::layer_name(*diff_id));
            tar.0.extend(header::link(&format!("{}/layer.tar", folder.id), &target));
            tar.file(&format!("{}/VERSION", folder.id), b"1.0");
            tar.file(&format!("{}/json", folder.id), &folder.json);
        }
        let manifest = documents::manifest(digest, &config.diff_ids, self.destination);
        tar.file("manifest.json", manifest.as_bytes());
        let repositories = documents::repositories(folders.last(), self.destination);
        tar.file("repositories", repositories.as_bytes());
        // Two blocks of zeros, and none to fill a record.
        tar.0.resize(tar.0.len() + 2 * BLOCK as usize, 0);
        tar.0
    }
}

/// Small members, one after the other.
struct Tar(Vec<u8>);

impl Tar {
    fn file(&mut self, name: &str, bytes: &[u8]) {
        self.0.extend(header::file(name, bytes.len() as u64));
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(BLOCK as usize), 0);
    }
}
