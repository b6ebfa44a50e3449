//! The bytes of a layer.
//!
//! A [`Layer`] says what is in it and how long its tar is; [`LayerReader`] is the one place that its
//! bytes come from, whoever wants them (hashing, an archive, a layout, a registry). [`write_layers`]
//! sends many layers to a [`BlobSink`] in one pass on all cores.

mod compress;
pub mod decompress;
mod extent;
mod in_order;
mod plain;
mod plan;
mod progress;
mod reader;
mod recorded;
pub mod tar;
pub mod walk;
mod write;

pub use extent::{Extent, ExtentReader};
pub use plain::{check_file, digest};
pub use plan::{Encoding, Given, Layer, Piece, measure};
pub use progress::{Progress, Silent};
pub use reader::LayerReader;
pub use recorded::{RecordedBlob, RecordedLayer, RecordedPath};
pub use write::{Blob, BlobSink, Slot, codec, compress_file, distinct, write_layers};

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::threads::ThreadError;

/// Why a layer could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The system refused something.
    #[error("{}: {source}", path.display())]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something that no layer of a store closure holds.
    #[error("{} is a {kind}; a layer holds files, directories and symbolic links", path.display())]
    Special {
        /// Where it lies.
        path: PathBuf,
        /// FIFO, socket, device.
        kind: &'static str,
    },
    /// A name that means a deletion (OCI image-spec, layer.md, "Whiteouts").
    #[error("{} would delete files of lower layers when the image is unpacked (names that begin with .wh. do); rename it", .0.display())]
    Whiteout(PathBuf),
    /// The store changed below us.
    #[error("{} changed while it was read", .0.display())]
    Changed(PathBuf),
    /// Recorded and actual digest differ.
    #[error("{} has the digest {found}, expected {expected}: it was changed after it was made", path.display())]
    Digest {
        /// The layer that was read.
        path: PathBuf,
        /// What its bytes give.
        found: Digest,
        /// What was recorded.
        expected: Digest,
    },
    /// A layer of another image is not what its configuration says.
    #[error("{}: a layer has the diff_id {found}, but the image's configuration says {expected}", path.display())]
    DiffId {
        /// The image's file.
        path: PathBuf,
        /// What the bytes give.
        found: Digest,
        /// What the configuration says.
        expected: Digest,
    },
    /// A layer of another image is compressed in another way than its media type says.
    #[error("{}: a layer's media type says {expected}, but its bytes are {found}", path.display())]
    Encoding {
        /// The image's file.
        path: PathBuf,
        /// By its first bytes.
        found: &'static str,
        /// By its media type.
        expected: &'static str,
    },
    /// `layer.json` is not what this version writes.
    #[error("{}: {what}; it was made by another version of gantry", path.display())]
    Recorded {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A layer is made again, and is not what it was.
    #[error(
        "the layer of {content} is {found} now, and was {expected} when the image was built: the store has changed since; `nix-store --verify --check-contents` finds where"
    )]
    Differs {
        /// What the layer holds.
        content: String,
        /// What its bytes give.
        found: Digest,
        /// What was recorded.
        expected: Digest,
    },
    /// A compressor failed.
    #[error("{codec}: {message}")]
    Compression {
        /// gzip, zstd.
        codec: &'static str,
        /// What it said.
        message: String,
    },
    /// Too few threads.
    #[error(transparent)]
    Threads(#[from] ThreadError),
    /// The user or Nix asked us to stop.
    #[error("interrupted")]
    Interrupted,
}

impl LayerError {
    /// An [`LayerError::Io`] about `path`.
    pub fn io(path: impl AsRef<Path>, source: impl Into<io::Error>) -> LayerError {
        LayerError::Io { path: path.as_ref().to_path_buf(), source: source.into() }
    }
}
