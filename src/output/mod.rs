//! Writing images. A format is a [`Format`]: it takes the blobs of the layers as they are made, and then
//! the documents that name them.

mod archive;
mod blob;
pub mod docker_archive;
mod layout;
mod links;
mod members;
mod packed;
mod script;
mod streamed;
mod whole;

use std::path::{Path, PathBuf};

pub use archive::Archive;
pub use blob::BlobFile;
pub use docker_archive::DockerArchive;
pub use layout::LayoutDirectory;
pub use links::{LinksError, link_layout};
pub use packed::{PackedArchive, Packing};
pub use script::{recipe_of_script, write_script};
pub use streamed::{Expected, Nowhere, StreamedArchive};
pub use whole::{Place, WholeDirectory, WholeFile};

use crate::image::Documents;
use crate::layer::{BlobSink, LayerError};

/// An image format being written.
pub trait Format: BlobSink {
    /// Adds the documents and makes the image appear at its path: whole, or not at all.
    fn finish(self: Box<Self>, documents: &Documents) -> Result<(), OutputError>;
}

/// Why an image could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The place is taken.
    #[error("{} exists already; remove it or choose another path", .0.display())]
    Exists(PathBuf),
    /// The system refused something.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The kernel would not start the executable.
    #[error("{} stream: {why}", interpreter.display())]
    Interpreter {
        /// What it would be started with.
        interpreter: PathBuf,
        /// Why it would not.
        why: &'static str,
    },
    /// An archive could not be compressed.
    #[error(transparent)]
    Layer(#[from] LayerError),
}

impl OutputError {
    fn io(path: &Path, source: impl Into<std::io::Error>) -> OutputError {
        OutputError::Io { path: path.to_path_buf(), source: source.into() }
    }
}

/// The contents of the `oci-layout` file.
pub(crate) const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Errors on the way to a slot are told as those of layers are.
fn layer_error(error: OutputError) -> LayerError {
    match error {
        OutputError::Exists(path) => LayerError::io(path, std::io::ErrorKind::AlreadyExists),
        OutputError::Io { path, source } => LayerError::io(path, source),
        OutputError::Interpreter { interpreter, why } => {
            LayerError::io(interpreter, std::io::Error::other(why))
        }
        OutputError::Layer(error) => error,
    }
}
