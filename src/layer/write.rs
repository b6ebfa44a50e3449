//! Layers to blobs, in one pass on all cores: read, hash, compress if asked to, write.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tar::Shared;
use super::{Encoding, Extent, Layer, LayerError, Piece, Progress, compress, in_order, plain};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::spec::{Compression, LayerHistory, Owner};

/// A layer that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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

impl Blob {
    /// What was written of `layer`, whose bytes have this digest and were not compressed here.
    pub(super) fn uncompressed(layer: &Layer, digest: Digest) -> Blob {
        let (diff_id, encoding) = match layer.given {
            Some(given) => (given.diff_id, given.encoding),
            None => (digest, Encoding::Plain),
        };
        Blob { digest, size: layer.size, diff_id, encoding }
    }
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

impl Slot {
    /// Writes `bytes` at `at` of the blob.
    pub(super) fn write(&self, bytes: &[u8], at: u64) -> Result<(), LayerError> {
        self.file.write_all_at(bytes, self.offset + at).map_err(|e| LayerError::io(&self.path, e))
    }

    /// Writes `bytes` where the file's last ones ended, which a pipe can do, too.
    pub(super) fn append(&self, bytes: &[u8]) -> Result<(), LayerError> {
        (&*self.file).write_all(bytes).map_err(|e| LayerError::io(&self.path, e))
    }
}

/// Something that keeps blobs: an archive, a layout.
pub trait BlobSink {
    /// Whether bytes can be written in order only, one blob after the other, as to a pipe.
    fn in_order(&self) -> bool {
        false
    }

    /// Whether the sink refers to the file `path`, which is the blob `digest`, so that nothing is written.
    fn link(&mut self, _path: &Path, _digest: Digest) -> Result<bool, LayerError> {
        Ok(false)
    }

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
    let (distinct, places) = distinct(layers);
    let mut written = Vec::with_capacity(distinct.len());
    let mut copied = Vec::with_capacity(distinct.len());
    for layer in distinct {
        let linked = linked(layer, sink)?;
        if linked.is_none() {
            copied.push(layer);
        }
        written.push(linked);
    }
    // Blobs of other images lie below all others, and are not compressed again.
    let given = copied.iter().take_while(|layer| layer.given.is_some()).count();
    let (below, above) = match compression {
        Compression::None => (&copied[..], &[][..]),
        _ => copied.split_at(given),
    };
    let mut new = match sink.in_order() {
        true => in_order::write(below, shared, sink, progress)?,
        false => plain::write(below, shared, threads, sink, progress)?,
    };
    new.extend(match compression {
        Compression::None => Vec::new(),
        Compression::Gzip(level) => {
            compress::write::<compress::Gzip>(above, shared, level, threads, sink, progress)?
        }
        Compression::Zstd(level) => {
            compress::write::<compress::Zstd>(above, shared, level, threads, sink, progress)?
        }
    });
    let mut new = new.into_iter();
    let written: Vec<Blob> = written.into_iter().filter_map(|linked| linked.or_else(|| new.next())).collect();
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

/// The layers without those that are the same blob as one before (an image may have a layer twice,
/// nixpkgs#214434), and for each of `layers` its place among them.
pub fn distinct(layers: &[Layer]) -> (Vec<&Layer>, Vec<usize>) {
    let mut distinct: Vec<&Layer> = Vec::with_capacity(layers.len());
    let places = layers
        .iter()
        .map(|layer| match distinct.iter().position(|other| layer.is_same_blob(other)) {
            Some(place) => place,
            None => {
                distinct.push(layer);
                distinct.len() - 1
            }
        })
        .collect();
    (distinct, places)
}

/// The blob of a layer that `sink` refers to where it is.
fn linked(layer: &Layer, sink: &mut dyn BlobSink) -> Result<Option<Blob>, LayerError> {
    let (Some(given), Some(digest), [Piece::Extent(extent)]) =
        (layer.given, layer.recorded, &layer.pieces[..])
    else {
        return Ok(None);
    };
    let blob = Blob { digest, size: extent.size, diff_id: given.diff_id, encoding: given.encoding };
    Ok((given.checked && sink.link(&extent.path, digest)?).then_some(blob))
}

/// Writes a file to `sink`, compressed as a layer would be.
pub fn compress_file(
    file: Extent,
    compression: Compression,
    threads: usize,
    sink: &mut dyn BlobSink,
    progress: &dyn Progress,
) -> Result<(), LayerError> {
    let owner = Owner { uid: 0, gid: 0, uname: String::new(), gname: String::new() };
    let shared = Shared { mtime: 0, owner };
    let size = file.size;
    let layer = Layer {
        pieces: vec![Piece::Extent(file)],
        size,
        recorded: None,
        given: None,
        paths: Vec::new(),
        history: LayerHistory::default(),
    };
    write_layers(&[layer], &shared, compression, threads, sink, progress).map(drop)
}

/// The compressor with everything that its output depends on, for the record; none for `none`.
pub fn codec(compression: Compression) -> Option<String> {
    match compression {
        Compression::None => None,
        Compression::Gzip(level) => Some(compress::describe::<compress::Gzip>(level)),
        Compression::Zstd(level) => Some(compress::describe::<compress::Zstd>(level)),
    }
}
