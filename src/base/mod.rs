//! Reading images back: OCI layouts, and archives of them.
//!
//! Never unpacks: an archive's members are found by name and read in place, and no path from an image is
//! ever opened. Every document's digest and size are checked against the descriptor that names it.

mod archive;
mod layout;

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::digest::Digest;
use crate::image::{Descriptor, ImageConfig, Index, Layout, MAX_DOCUMENT, Manifest, blob_path, media};

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
    /// Neither format.
    #[error("{} is {found}; accepted: an OCI image layout (a directory with oci-layout) or an archive of one", path.display())]
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

/// An image's documents, checked.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The format: `archive` or `layout`.
    pub format: &'static str,
    /// `name:tag`, or what there is of it.
    pub reference: Option<String>,
    /// Describes the manifest.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: Manifest,
    /// The configuration.
    pub config: ImageConfig,
}

/// Where documents come from.
trait Files {
    /// The file called `name`, of at most `limit` bytes.
    fn read(&self, name: &str, limit: usize) -> Result<Vec<u8>, BaseError>;
}

/// Reads the documents of the image at `path`.
pub fn open(path: &Path) -> Result<Opened, BaseError> {
    let metadata = std::fs::metadata(path).map_err(|source| BaseError::Io { path: path.into(), source })?;
    let (format, files): (_, Box<dyn Files>) = if metadata.is_dir() {
        ("layout", Box::new(layout::Directory::new(path)))
    } else if metadata.is_file() {
        ("archive", Box::new(archive::Members::scan(path)?))
    } else {
        return Err(BaseError::Format { path: path.into(), found: "neither a directory nor a file".into() });
    };
    Reader { path, files: files.as_ref() }.open(format)
}

struct Reader<'r> {
    path: &'r Path,
    files: &'r dyn Files,
}

impl Reader<'_> {
    fn open(&self, format: &'static str) -> Result<Opened, BaseError> {
        let layout: Layout = self.parse("oci-layout", &self.files.read("oci-layout", 4096)?)?;
        if layout.version != "1.0.0" {
            let what = format!("imageLayoutVersion {:?}, expected \"1.0.0\"", layout.version);
            return Err(self.wrong("oci-layout", what));
        }
        let index: Index = self.parse("index.json", &self.files.read("index.json", MAX_DOCUMENT)?)?;
        let [descriptor] = &index.manifests[..] else {
            let what = format!("{} images, expected one", index.manifests.len());
            return Err(self.wrong("index.json", what));
        };
        if descriptor.media_type != media::MANIFEST {
            let what = format!("the image is a {:?}, expected {:?}", descriptor.media_type, media::MANIFEST);
            return Err(self.wrong("index.json", what));
        }
        let manifest: Manifest = self.document(descriptor)?;
        let config: ImageConfig = self.document(&manifest.config)?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            let what = format!(
                "{} diff_ids, but the manifest has {} layers",
                config.rootfs.diff_ids.len(),
                manifest.layers.len()
            );
            return Err(self.wrong(&blob_path(manifest.config.digest), what));
        }
        let named = |key| descriptor.annotations.get(key).cloned();
        let reference =
            named("io.containerd.image.name").or_else(|| named("org.opencontainers.image.ref.name"));
        Ok(Opened { format, reference, descriptor: descriptor.clone(), manifest, config })
    }

    /// The document that `descriptor` names.
    fn document<T: DeserializeOwned>(&self, descriptor: &Descriptor) -> Result<T, BaseError> {
        let name = blob_path(descriptor.digest);
        let bytes = self.files.read(&name, MAX_DOCUMENT)?;
        let (found, size) = (Digest::of(&bytes), bytes.len() as u64);
        if size != descriptor.size {
            return Err(self.wrong(&name, format!("{size} bytes, expected {}", descriptor.size)));
        }
        if found != descriptor.digest {
            return Err(self.wrong(&name, format!("its bytes have the digest {found}")));
        }
        self.parse(&name, &bytes)
    }

    fn parse<T: DeserializeOwned>(&self, name: &str, bytes: &[u8]) -> Result<T, BaseError> {
        serde_json::from_slice(bytes).map_err(|e| self.wrong(name, e.to_string()))
    }

    fn wrong(&self, name: &str, what: String) -> BaseError {
        BaseError::Document { path: self.path.into(), name: name.into(), what }
    }
}
