//! Compressed layers: chunks of fixed size, each compressed by itself (a gzip member, a Zstandard
//! frame), written in order. Both formats define the concatenation of members (RFC 1952, 2.2; RFC 8878,
//! 3.1) as one stream, so the bytes depend on chunk size, codec and level, never on the thread count.
//!
//! One thread reads and hashes, `threads` compress, the caller's hashes and writes. A fixed number of
//! buffers goes round, so memory does not grow with layers or with the time that one chunk takes.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::tar::Shared;
use super::{Blob, BlobSink, Encoding, Layer, LayerError, LayerReader, Progress};
use crate::digest::{Digest, Hasher};
use crate::threads::start_in;

/// A compressor of whole chunks.
pub(super) trait Codec: Sized {
    /// The field's name of the format.
    const NAME: &'static str;
    /// The format.
    const ENCODING: Encoding;
    /// Uncompressed bytes of a chunk.
    const CHUNK: usize;
    /// The compressor's name and version.
    fn version() -> String;
    fn new(level: u8) -> Result<Self, String>;
    /// Replaces `out` with `chunk`, compressed.
    fn compress(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), String>;
}

/// Everything that the output of a codec depends on.
pub(super) fn describe<C: Codec>(level: u8) -> String {
    format!("{} level={level} chunk={}", C::version(), C::CHUNK)
}

/// The version of the crate that carries libdeflate, which does not say it itself.
const LIBDEFLATER: &str = "1.26.1";

/// gzip by libdeflate.
pub(super) struct Gzip(libdeflater::Compressor);

impl Codec for Gzip {
    const NAME: &'static str = "gzip";
    const ENCODING: Encoding = Encoding::Gzip;
    const CHUNK: usize = 512 << 10;

    fn version() -> String {
        // The crate's own version says which libdeflate it carries.
        format!("libdeflater/{LIBDEFLATER}")
    }

    fn new(level: u8) -> Result<Gzip, String> {
        let level =
            libdeflater::CompressionLvl::new(level.into()).map_err(|e| format!("level {level}: {e:?}"))?;
        Ok(Gzip(libdeflater::Compressor::new(level)))
    }

    fn compress(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        out.resize(self.0.gzip_compress_bound(chunk.len()), 0);
        let n = self.0.gzip_compress(chunk, out).map_err(|e| e.to_string())?;
        out.truncate(n);
        Ok(())
    }
}

/// Zstandard by libzstd.
pub(super) struct Zstd(zstd::bulk::Compressor<'static>);

impl Codec for Zstd {
    const NAME: &'static str = "zstd";
    const ENCODING: Encoding = Encoding::Zstd;
    const CHUNK: usize = 2 << 20;

    fn version() -> String {
        format!("libzstd/{}", zstd::zstd_safe::version_string())
    }

    fn new(level: u8) -> Result<Zstd, String> {
        let mut compressor = zstd::bulk::Compressor::new(level.into()).map_err(|e| e.to_string())?;
        compressor.include_checksum(true).map_err(|e| e.to_string())?;
        Ok(Zstd(compressor))
    }

    fn compress(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        out.resize(zstd::zstd_safe::compress_bound(chunk.len()), 0);
        let n = self.0.compress_to_buffer(chunk, &mut out[..]).map_err(|e| e.to_string())?;
        out.truncate(n);
        Ok(())
    }
}

/// A chunk on its way, with the buffers that it owns meanwhile.
struct Chunk {
    /// Its place among all chunks of all layers.
    sequence: usize,
    plain: Vec<u8>,
    packed: Vec<u8>,
    /// The diff ID, with the last chunk of a layer.
    diff_id: Option<Digest>,
}

pub(super) fn write<C: Codec>(
    layers: &[&Layer],
    shared: &Shared,
    level: u8,
    threads: usize,
    sink: &mut dyn BlobSink,
    progress: &dyn Progress,
) -> Result<Vec<Blob>, LayerError> {
    let (free, buffers) = channel();
    // Twice the threads, so that none waits; at most 40 MiB of chunks, each of which has two buffers.
    for _ in 0..(2 * threads + 2).min((40 << 20) / (2 * C::CHUNK)).max(threads.min(4) + 2) {
        let chunk = Chunk { sequence: 0, plain: Vec::new(), packed: Vec::new(), diff_id: None };
        free.send(chunk).map_err(|_| LayerError::Interrupted)?;
    }
    let (to_pack, jobs) = channel();
    let (packed, done) = channel();
    let jobs = Mutex::new(jobs);
    // An early end drops the channels that this closure owns, so that no thread waits for ever.
    std::thread::scope(|scope| {
        let failures = packed.clone();
        start_in(scope, move || {
            if let Err(error) = read::<C>(layers, shared, buffers, to_pack, progress) {
                let _ = failures.send(Err(error)); // nobody listens once the writer has failed
            }
        })?;
        for packers in 0..threads.max(1) {
            let (jobs, packed) = (&jobs, packed.clone());
            match start_in(scope, move || pack::<C>(level, jobs, packed)) {
                Err(error) if packers == 0 => return Err(error.into()),
                Err(_) => break,
                Ok(_) => {}
            }
        }
        drop(packed);
        collect(layers.len(), C::ENCODING, free, done, sink)
    })
}

/// Reads all layers in order, chunk by chunk; hashes them on the way.
fn read<C: Codec>(
    layers: &[&Layer],
    shared: &Shared,
    buffers: Receiver<Chunk>,
    to_pack: Sender<Chunk>,
    progress: &dyn Progress,
) -> Result<(), LayerError> {
    let mut sequence = 0;
    for (index, layer) in layers.iter().enumerate() {
        progress.layer(index, layers.len());
        let mut reader = LayerReader::new(layer, shared);
        let mut hasher = Hasher::new();
        let mut left = layer.size;
        while left > 0 {
            if progress.cancelled() {
                return Err(LayerError::Interrupted);
            }
            let Ok(mut chunk) = buffers.recv() else { return Ok(()) }; // the writer has failed
            chunk.plain.resize(C::CHUNK, 0);
            let n = reader.read(&mut chunk.plain)?;
            chunk.plain.truncate(n);
            hasher.update(&chunk.plain);
            left = left.saturating_sub(n as u64);
            chunk.sequence = sequence;
            chunk.diff_id = (left == 0).then(|| hasher.clone().finish());
            sequence += 1;
            progress.bytes(n as u64);
            if to_pack.send(chunk).is_err() {
                return Ok(()); // the compressors have failed
            }
        }
    }
    Ok(())
}

/// Compresses chunks until there are no more.
fn pack<C: Codec>(level: u8, jobs: &Mutex<Receiver<Chunk>>, packed: Sender<Result<Chunk, LayerError>>) {
    let failed = |message| LayerError::Compression { codec: C::NAME, message };
    let mut codec = match C::new(level) {
        Ok(codec) => codec,
        Err(message) => return drop(packed.send(Err(failed(message)))),
    };
    loop {
        let Some(mut chunk) = jobs.lock().ok().and_then(|jobs| jobs.recv().ok()) else { return };
        let result = codec.compress(&chunk.plain, &mut chunk.packed).map(|()| chunk).map_err(failed);
        if packed.send(result).is_err() {
            return;
        }
    }
}

/// Writes the chunks in order, one blob after the other.
fn collect(
    layers: usize,
    encoding: Encoding,
    free: Sender<Chunk>,
    done: Receiver<Result<Chunk, LayerError>>,
    sink: &mut dyn BlobSink,
) -> Result<Vec<Blob>, LayerError> {
    let mut blobs = Vec::with_capacity(layers);
    let in_order = sink.in_order();
    let mut early = BTreeMap::new();
    let mut next = 0;
    let mut open = None;
    while blobs.len() < layers {
        let chunk = done.recv().map_err(|_| LayerError::Interrupted)??;
        early.insert(chunk.sequence, chunk);
        while let Some(chunk) = early.remove(&next) {
            next += 1;
            let (slot, hasher, size) = match &mut open {
                Some(open) => open,
                None => open.insert((sink.open(None)?, Hasher::new(), 0)),
            };
            hasher.update(&chunk.packed);
            match in_order {
                true => slot.append(&chunk.packed)?,
                false => slot.write(&chunk.packed, *size)?,
            }
            *size += chunk.packed.len() as u64;
            if let Some(diff_id) = chunk.diff_id
                && let Some((slot, hasher, size)) = open.take()
            {
                let digest = hasher.finish();
                sink.close(slot, digest, size)?;
                blobs.push(Blob { digest, size, diff_id, encoding });
            }
            let _ = free.send(chunk); // the reader may have nothing left to read
        }
    }
    Ok(blobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_version_of_libdeflate_is_the_one_that_is_built() {
        let lock = include_str!("../../Cargo.lock");
        let package = format!("name = \"libdeflater\"\nversion = \"{LIBDEFLATER}\"");
        assert!(lock.contains(&package), "Cargo.lock has another version than {LIBDEFLATER}");
    }
}
