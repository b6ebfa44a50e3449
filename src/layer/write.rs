//! Layers to blobs, in one pass on all cores: read, hash, compress if asked to, write.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use super::tar::Shared;
use super::{Encoding, Layer, LayerError, Progress, compress, plain};
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
    /// How the blob is encoded.
    pub encoding: Encoding,
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
    // An image may have a layer twice (nixpkgs#214434); it is one blob.
    let mut distinct: Vec<&Layer> = Vec::with_capacity(layers.len());
    let places: Vec<usize> = layers
        .iter()
        .map(|layer| match distinct.iter().position(|other| layer.is_same_blob(other)) {
            Some(place) => place,
            None => {
                distinct.push(layer);
                distinct.len() - 1
            }
        })
        .collect();
    // Blobs of a base image lie below all others, and are not compressed again.
    let given = distinct.iter().take_while(|layer| layer.given.is_some()).count();
    let (below, above) = match compression {
        Compression::None => (&distinct[..], &[][..]),
        _ => distinct.split_at(given),
    };
    let mut written = plain::write(below, shared, threads, sink, progress)?;
    written.extend(match compression {
        Compression::None => Vec::new(),
        Compression::Gzip(level) => {
            compress::write::<compress::Gzip>(above, shared, level, threads, sink, progress)?
        }
        Compression::Zstd(level) => {
            compress::write::<compress::Zstd>(above, shared, level, threads, sink, progress)?
        }
    });
    let blobs: Vec<Blob> = places.into_iter().map(|place| written[place]).collect();
    for (layer, blob) in layers.iter().zip(&blobs) {
        let found = if layer.given.is_some() { blob.digest } else { blob.diff_id };
        let plain = layer.given.filter(|given| given.encoding == Encoding::Plain).map(|given| given.diff_id);
        if let Some(expected) = [layer.recorded, plain].into_iter().flatten().find(|e| *e != found) {
            return Err(LayerError::Digest { path: layer.file(), found, expected });
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
