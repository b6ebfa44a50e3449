//! Layers that need no compression for a sink that takes bytes in order only: one after the other, each
//! read ahead of its hashing, and hashed beside the writing of what came before.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::tar::Shared;
use super::{Blob, BlobSink, Layer, LayerError, LayerReader, Progress};
use crate::digest::{Digest, Hasher};
use crate::threads::start_in;

/// Bytes read, hashed and written at a time.
const CHUNK: usize = 512 << 10;
/// Chunks that are on their way.
const CHUNKS: usize = 12;

/// A part of a layer.
struct Chunk {
    bytes: Vec<u8>,
    /// Whether the layer ends with it.
    ends: bool,
    /// The layer's digest, when it has ended and is hashed.
    digest: Option<Digest>,
}

pub(super) fn write(
    layers: &[&Layer],
    shared: &Shared,
    sink: &mut dyn BlobSink,
    progress: &dyn Progress,
) -> Result<Vec<Blob>, LayerError> {
    let (free, buffers) = channel();
    for _ in 0..CHUNKS {
        free.send(Chunk { bytes: Vec::new(), ends: false, digest: None })
            .map_err(|_| LayerError::Interrupted)?;
    }
    let (to_hash, unhashed) = channel();
    let (to_write, hashed) = channel();
    // An early end drops the channels that this closure owns, so that no thread waits for ever.
    std::thread::scope(|scope| {
        start_in(scope, move || {
            if let Err(error) = read(layers, shared, buffers, &to_hash, progress) {
                let _ = to_hash.send(Err(error)); // nobody listens once the writer has failed
            }
        })?;
        start_in(scope, move || hash(unhashed, to_write))?;
        collect(layers, free, hashed, sink)
    })
}

/// Reads all layers in order, chunk by chunk.
fn read(
    layers: &[&Layer],
    shared: &Shared,
    buffers: Receiver<Chunk>,
    to_hash: &Sender<Result<Chunk, LayerError>>,
    progress: &dyn Progress,
) -> Result<(), LayerError> {
    for (index, layer) in layers.iter().enumerate() {
        progress.layer(index, layers.len());
        let mut reader = LayerReader::new(layer, shared);
        let mut left = layer.size;
        loop {
            if progress.cancelled() {
                return Err(LayerError::Interrupted);
            }
            let Ok(mut chunk) = buffers.recv() else { return Ok(()) }; // the writer has failed
            chunk.bytes.resize(CHUNK, 0);
            let n = reader.read(&mut chunk.bytes)?;
            chunk.bytes.truncate(n);
            left = left.saturating_sub(n as u64);
            chunk.ends = left == 0;
            progress.bytes(n as u64);
            let ends = chunk.ends;
            if to_hash.send(Ok(chunk)).is_err() {
                return Ok(()); // the writer has failed
            }
            if ends {
                break;
            }
        }
    }
    Ok(())
}

fn hash(unhashed: Receiver<Result<Chunk, LayerError>>, to_write: Sender<Result<Chunk, LayerError>>) {
    let mut hasher = Hasher::new();
    for chunk in unhashed {
        let chunk = chunk.map(|mut chunk| {
            hasher.update(&chunk.bytes);
            chunk.digest = chunk.ends.then(|| std::mem::take(&mut hasher).finish());
            chunk
        });
        if to_write.send(chunk).is_err() {
            return; // the writer has failed
        }
    }
}

fn collect(
    layers: &[&Layer],
    free: Sender<Chunk>,
    hashed: Receiver<Result<Chunk, LayerError>>,
    sink: &mut dyn BlobSink,
) -> Result<Vec<Blob>, LayerError> {
    let mut blobs = Vec::with_capacity(layers.len());
    for layer in layers {
        let slot = sink.open(Some(layer.size))?;
        let digest = loop {
            let chunk = hashed.recv().map_err(|_| LayerError::Interrupted)??;
            slot.append(&chunk.bytes)?;
            let digest = chunk.digest;
            let _ = free.send(chunk); // the reader may have nothing left to read
            if let Some(digest) = digest {
                break digest;
            }
        };
        sink.close(slot, digest, layer.size)?;
        blobs.push(Blob::uncompressed(layer, digest));
    }
    Ok(blobs)
}
