//! Reading images: OCI layouts, archives of them, and docker-archives, plain or compressed.
//!
//! Never unpacks: an archive's members are found by name and read in place, and no path from an image is
//! ever opened. Every document's digest and size are checked against the descriptor that names it; the
//! bytes of layers are checked by whoever reads them (`layer`), so each is read once.

mod archive;
mod docker;
pub mod filesystem;
mod layout;
mod oci;
mod tar;

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::image::received::{self, Received};
use crate::image::{Descriptor, Document, ImageConfig};
use crate::layer::{Encoding, Extent, Progress};
use crate::spec::Platform;

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// The system refused something.
    #[error("{}: {source}", path.display())]
    Io {
        /// What was read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No format that is known.
    #[error("{} is {found}; accepted: an OCI image layout (a directory with oci-layout), an archive of one, or a docker-archive", path.display())]
    Format {
        /// The image.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// A tar that breaks the rules.
    #[error("{}: at byte {at}: {what}", path.display())]
    Tar {
        /// The archive.
        path: PathBuf,
        /// Where.
        at: u64,
        /// What is wrong there.
        what: String,
    },
    /// A layer that breaks the rules.
    #[error("{}: layer {number} ({diff_id}): {what}", path.display())]
    Layer {
        /// The image's file that it is in.
        path: PathBuf,
        /// Which it is, from 1, which is the bottom.
        number: usize,
        /// Its diff ID, as the configuration says it.
        diff_id: Digest,
        /// What is wrong.
        what: String,
    },
    /// The user or Nix asked us to stop.
    #[error("interrupted")]
    Interrupted,
    /// An index without an image for the platform.
    #[error("{}: {name}: no image for {wanted}; there are: {offered}", path.display())]
    Platform {
        /// The image.
        path: PathBuf,
        /// The index in it.
        name: String,
        /// The platform that was asked for.
        wanted: String,
        /// The platforms that there are.
        offered: String,
    },
    /// A document that is missing, too large, or not what its name says.
    #[error("{}: {name}: {what}", path.display())]
    Document {
        /// The image.
        path: PathBuf,
        /// The document's name in it.
        name: String,
        /// What is wrong.
        what: String,
    },
}

/// What an image is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// An OCI image layout: a directory.
    Layout,
    /// An archive of an OCI image layout.
    Archive,
    /// A docker-archive: `manifest.json` and no `index.json`.
    DockerArchive,
}

/// An image's documents, checked, and where its layers are.
#[derive(Debug, Clone)]
pub struct Opened {
    /// What it is kept in.
    pub container: Container,
    /// `name:tag`, or what there is of it.
    pub reference: Option<String>,
    /// The manifest, which a docker-archive has none of.
    pub manifest: Option<(Descriptor, Document)>,
    /// The configuration's bytes.
    pub config_document: Document,
    /// The configuration.
    pub config: ImageConfig,
    /// The layers, bottom first.
    pub layers: Vec<OpenedLayer>,
}

/// One of the images in a file or directory.
#[derive(Debug, Clone)]
pub struct NamedImage {
    /// `NAME:TAG` where there is a tag; from a layout, whatever its entry is called.
    pub names: Vec<String>,
    /// The image.
    pub image: Opened,
}

/// A layer of an image that was read.
#[derive(Debug, Clone)]
pub struct OpenedLayer {
    /// How its blob is encoded.
    pub encoding: Encoding,
    /// Its blob's digest; a docker-archive does not say it.
    pub digest: Option<Digest>,
    /// The digest of its uncompressed tar, as the configuration says it.
    pub diff_id: Digest,
    /// Where its blob is.
    pub extent: Extent,
}

/// Where documents and blobs come from.
trait Files {
    /// The file called `name`; none if there is none.
    fn find(&self, name: &str) -> Result<Option<Extent>, BaseError>;
}

/// Reads the documents of the image at `path`; of several images, the one for `platform`. A compressed archive is
/// unpacked into a temporary file without a name, until `progress` says to stop.
pub fn open(path: &Path, platform: Option<&Platform>, progress: &dyn Progress) -> Result<Opened, BaseError> {
    read(path, progress, |reader, form| match form {
        Form::Layout => oci::open(reader, Container::Layout, platform),
        Form::Archive { docker } => {
            let opened = oci::open(reader, Container::Archive, platform)?;
            if docker {
                docker::agrees(reader, &opened)?;
            }
            Ok(opened)
        }
        Form::DockerArchive => docker::open(reader),
    })
}

/// Reads the documents of all images at `path`, each once.
pub fn open_all(path: &Path, progress: &dyn Progress) -> Result<Vec<NamedImage>, BaseError> {
    read(path, progress, |reader, form| match form {
        Form::Layout => oci::open_all(reader, Container::Layout),
        Form::Archive { docker } => {
            let mut images = oci::open_all(reader, Container::Archive)?;
            if docker {
                for named in &mut images {
                    docker::agrees(reader, &named.image)?;
                    docker::rename(reader, named)?;
                }
            }
            Ok(images)
        }
        Form::DockerArchive => docker::open_all(reader),
    })
}

/// What the files at a path are.
enum Form {
    Layout,
    /// An OCI archive, which may be a docker-archive as well.
    Archive {
        docker: bool,
    },
    DockerArchive,
}

/// Has `documents` read the documents at `path`.
fn read<T>(
    path: &Path,
    progress: &dyn Progress,
    documents: impl Fn(&Reader, Form) -> Result<T, BaseError>,
) -> Result<T, BaseError> {
    let metadata = std::fs::metadata(path).map_err(|source| BaseError::Io { path: path.into(), source })?;
    let reader = |files| Reader { path, files };
    if metadata.is_dir() {
        let directory = layout::Directory::new(path);
        return documents(&reader(&directory), Form::Layout);
    }
    if !metadata.is_file() {
        return Err(BaseError::Format { path: path.into(), found: "neither a directory nor a file".into() });
    }
    let members = archive::Members::scan(path, progress)?;
    let reader = reader(&members);
    match (members.find("index.json")?.is_some(), members.find("manifest.json")?.is_some()) {
        (true, docker) => documents(&reader, Form::Archive { docker }),
        (false, true) => documents(&reader, Form::DockerArchive),
        (false, false) => {
            let found = "a tar with neither index.json nor manifest.json".into();
            Err(BaseError::Format { path: path.into(), found })
        }
    }
}

/// An image being read.
struct Reader<'r> {
    path: &'r Path,
    files: &'r dyn Files,
}

impl Reader<'_> {
    /// The file called `name`, of at most `limit` bytes.
    fn read(&self, name: &str, limit: usize) -> Result<Vec<u8>, BaseError> {
        let extent = self.files.find(name)?.ok_or_else(|| self.wrong(name, "missing"))?;
        if extent.size > limit as u64 {
            return Err(self.wrong(name, format!("more than {limit} bytes")));
        }
        extent.read_all().map_err(|source| BaseError::Io { path: extent.path.to_path_buf(), source })
    }

    /// The configuration that the document `name` is.
    fn config(&self, name: &str, bytes: &[u8]) -> Result<ImageConfig, BaseError> {
        received::config(bytes).map_err(|what| self.wrong(name, what))
    }

    /// The manifest or index that the document `name` is, which is said to be a `media_type`.
    fn document(&self, name: &str, bytes: &[u8], media_type: &str) -> Result<Received, BaseError> {
        let (_, document) =
            received::document(bytes, Some(media_type)).map_err(|what| self.wrong(name, what))?;
        Ok(document)
    }

    fn wrong(&self, name: &str, what: impl Into<String>) -> BaseError {
        BaseError::Document { path: self.path.into(), name: name.into(), what: what.into() }
    }
}
