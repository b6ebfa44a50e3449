//! Layers to blobs, in one pass on all cores: read, hash, compress if asked to, write.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use super::tar::Shared;
use super::{Layer, LayerError, Progress, compress, plain};
use crate::digest::Digest;
use crate::spec::Compression;

/// A layer that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    /// Digest of the blob: what manifests and registries name.
    pub digest: Digest,
    /// Bytes of the blob.
    pub size: u64,
    /// Digest of the uncompressed tar: what the configuration lists.
    pub diff_id: Digest,
}

/// Where a blob is written.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The file.
    pub file: Arc<File>,
    /// Where in the file the blob begins.
    pub offset: u64,
    /// The file's path, for errors.
    pub path: PathBuf,
}

/// Something that keeps blobs: an archive, a layout.
pub trait BlobSink {
    /// A place for the next blob. When sizes are given, all places are asked for before one is closed;
    /// otherwise each is closed before the next is asked for.
    fn open(&mut self, size: Option<u64>) -> Result<Slot, LayerError>;

    /// The blob is complete.
    fn close(&mut self, slot: Slot, digest: Digest, size: u64) -> Result<(), LayerError>;
}

/// Writes `layers` to `sink` with `threads` threads; the blobs come back in the same order.
///
/// The bytes depend on the layers and on `compression` alone, never on `threads`.
pub fn write_layers(
    layers: &[Layer],
    shared: &Shared,
    compression: Compression,
    threads: usize,
    sink: &mut dyn BlobSink,
    progress: &dyn Progress,
) -> Result<Vec<Blob>, LayerError> {
    let blobs = match compression {
        Compression::None => plain::write(layers, shared, threads, sink, progress),
        Compression::Gzip(level) => {
            compress::write::<compress::Gzip>(layers, shared, level, threads, sink, progress)
        }
        Compression::Zstd(level) => {
            compress::write::<compress::Zstd>(layers, shared, level, threads, sink, progress)
        }
    }?;
    for (layer, blob) in layers.iter().zip(&blobs) {
        if let (Some(expected), Some(super::Piece::Tar(path, _))) = (layer.recorded, layer.pieces.first())
            && expected != blob.diff_id
        {
            return Err(LayerError::Digest { path: path.clone(), found: blob.diff_id, expected });
        }
    }
    Ok(blobs)
}

/// The compressor with everything that its output depends on, for the record; none for `none`.
pub fn codec(compression: Compression) -> Option<String> {
    match compression {
        Compression::None => None,
        Compression::Gzip(level) => Some(compress::describe::<compress::Gzip>(level)),
        Compression::Zstd(level) => Some(compress::describe::<compress::Zstd>(level)),
    }
}
