//! Uncompressed layers: sizes are known, so every layer is hashed and written at its final place,
//! many at once, the longest first.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::decompress::{Codec, Decompressor};
use super::tar::Shared;
use super::{Blob, BlobSink, Encoding, Layer, LayerError, LayerReader, Piece, Progress, Slot};
use crate::digest::{Digest, Hasher};
use crate::spec::Owner;
use crate::threads::together;

/// Bytes read, hashed and written at a time: small enough to stay in the second-level cache.
const CHUNK: usize = 256 << 10;

pub(super) fn write(
    layers: &[&Layer],
    shared: &Shared,
    threads: usize,
    sink: &mut dyn BlobSink,
    progress: &dyn Progress,
) -> Result<Vec<Blob>, LayerError> {
    let slots = layers.iter().map(|layer| sink.open(Some(layer.size))).collect::<Result<Vec<Slot>, _>>()?;
    let mut longest_first: Vec<usize> = (0..layers.len()).collect();
    longest_first.sort_by_key(|&i| std::cmp::Reverse(layers[i].size));

    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results: Vec<Mutex<Option<Result<Digest, LayerError>>>> =
        layers.iter().map(|_| Mutex::new(None)).collect();
    together(threads.min(layers.len()), || {
        let mut buffer = vec![0; CHUNK];
        while !failed.load(Ordering::Relaxed) {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let Some(&index) = longest_first.get(turn) else { break };
            progress.layer(turn, layers.len());
            let stop = || failed.load(Ordering::Relaxed) || progress.cancelled();
            let result = copy(layers[index], shared, &slots[index], &mut buffer, progress, &stop);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            if let Ok(mut place) = results[index].lock() {
                *place = Some(result);
            }
        }
    });

    let mut digests = Vec::with_capacity(layers.len());
    let mut interrupted = false;
    for result in results {
        match result.into_inner().ok().flatten() {
            Some(Ok(digest)) => digests.push(digest),
            // One thread's failure stops the others: theirs is the error to report.
            None | Some(Err(LayerError::Interrupted)) => interrupted = true,
            Some(Err(error)) => return Err(error),
        }
    }
    if interrupted {
        return Err(LayerError::Interrupted);
    }
    let mut blobs = Vec::with_capacity(layers.len());
    for ((slot, layer), digest) in slots.into_iter().zip(layers).zip(digests) {
        sink.close(slot, digest, layer.size)?;
        blobs.push(Blob::uncompressed(layer, digest));
    }
    Ok(blobs)
}

fn copy(
    layer: &Layer,
    shared: &Shared,
    slot: &Slot,
    buffer: &mut [u8],
    progress: &dyn Progress,
    stop: &dyn Fn() -> bool,
) -> Result<Digest, LayerError> {
    let mut reader = LayerReader::new(layer, shared);
    let mut hasher = Hasher::new();
    let mut at = 0;
    loop {
        if stop() {
            return Err(LayerError::Interrupted);
        }
        let n = reader.read(buffer)?;
        if n == 0 {
            check_diff_id(layer, buffer, stop)?;
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..n]);
        slot.write(&buffer[..n], at)?;
        at += n as u64;
        progress.bytes(n as u64);
    }
}

/// The digest of a blob that travels as it is.
pub fn digest(layer: &Layer) -> Result<Digest, LayerError> {
    // Nothing of it is made, so nothing has an owner or a time.
    let owner = Owner { uid: 0, gid: 0, uname: String::new(), gname: String::new() };
    let shared = Shared { mtime: 0, owner };
    let mut reader = LayerReader::new(layer, &shared);
    let mut buffer = vec![0; CHUNK];
    let mut hasher = Hasher::new();
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// Checks that a file has the digest that was recorded of it.
pub fn check_file(path: &Path, expected: Digest) -> Result<(), LayerError> {
    let io = |e| LayerError::io(path, e);
    let mut file = File::open(path).map_err(io)?;
    let mut buffer = vec![0; CHUNK];
    let mut hasher = Hasher::new();
    loop {
        match file.read(&mut buffer).map_err(io)? {
            0 => break,
            n => hasher.update(&buffer[..n]),
        }
    }
    match hasher.finish() {
        found if found == expected => Ok(()),
        found => Err(LayerError::Digest { path: path.to_path_buf(), found, expected }),
    }
}

/// Decompresses a blob of another image once: what its configuration says of it may be wrong, and whoever
/// unpacks the image would find out late.
fn check_diff_id(layer: &Layer, buffer: &mut [u8], stop: &dyn Fn() -> bool) -> Result<(), LayerError> {
    let (Some(given), [Piece::Extent(extent)]) = (layer.given, &layer.pieces[..]) else { return Ok(()) };
    if given.checked || given.encoding == Encoding::Plain {
        return Ok(()); // a plain one's digest is its diff ID, and is compared by the caller
    }
    let io = |e| LayerError::io(&extent.path, e);
    let mut tar = Decompressor::new(extent.reader(), extent.size).map_err(io)?;
    let codec = match given.encoding {
        Encoding::Gzip => Codec::Gzip,
        Encoding::Zstd => Codec::Zstd,
        Encoding::Plain => Codec::None,
    };
    if tar.codec() != codec {
        let path = extent.path.to_path_buf();
        return Err(LayerError::Encoding { path, found: tar.codec().name(), expected: codec.name() });
    }
    let mut hasher = Hasher::new();
    loop {
        if stop() {
            return Err(LayerError::Interrupted);
        }
        match tar.read(buffer).map_err(io)? {
            0 => break,
            n => hasher.update(&buffer[..n]),
        }
    }
    match hasher.finish() {
        found if found == given.diff_id => Ok(()),
        found => Err(LayerError::DiffId { path: extent.path.to_path_buf(), found, expected: given.diff_id }),
    }
}
