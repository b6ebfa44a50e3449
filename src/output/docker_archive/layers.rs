//! Layers on their way into the archive: decompressed, hashed, written and compared with what the
//! configuration says, many at once.
//!
//! Every layer has two threads: one inflates, the other hashes and writes. So one large layer keeps two cores
//! busy, and several keep all.

use std::collections::HashSet;
use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;

use super::place::{Places, Region};
use super::{DockerArchiveError, OpenLayer, ReadSeek};
use crate::digest::{Digest, Hasher};
use crate::image::Descriptor;
use crate::layer::Progress;
use crate::layer::decompress::Decompressor;
use crate::threads::{start_in, together};

/// Bytes that go from thread to thread: few enough to be in the second-level cache still.
const CHUNK: usize = 256 << 10;
/// Chunks that a layer has at most.
const CHUNKS: usize = 4;
/// Layers at work at once, however many threads there may be: bounds memory.
const MOST_AT_ONCE: usize = 16;

/// One blob to be read, and what it must turn out to be.
#[derive(Debug, Clone)]
pub(super) struct Job<'m> {
    /// From the bottom, from 0.
    pub position: usize,
    pub descriptor: &'m Descriptor,
    pub diff_id: Digest,
    /// Whether its bytes are in the archive already, by another compression: then it is only checked.
    pub again: bool,
}

/// What has to be read: every blob once, even though images repeat layers.
pub(super) fn jobs<'m>(layers: &'m [Descriptor], diff_ids: &[Digest]) -> Vec<Job<'m>> {
    let (mut blobs, mut members) = (HashSet::new(), HashSet::new());
    let all = layers.iter().zip(diff_ids).enumerate();
    all.filter(|(_, (descriptor, diff_id))| blobs.insert((descriptor.digest, **diff_id)))
        .map(|(position, (descriptor, &diff_id))| Job {
            position,
            descriptor,
            diff_id,
            again: !members.insert(diff_id),
        })
        .collect()
}

/// Tells a blob's size without its compression.
pub(super) type Guess = fn(&mut (dyn ReadSeek + Send)) -> io::Result<u64>;

/// What all threads share.
pub(super) struct Work<'w> {
    pub jobs: &'w [Job<'w>],
    pub open: &'w OpenLayer<'w>,
    pub limit: u64,
    pub threads: usize,
    pub progress: &'w dyn Progress,
}

impl Work<'_> {
    /// How long the members that the jobs make are by `guess`; together no more than the limit.
    pub(super) fn sizes(&self, guess: Guess) -> Result<Vec<u64>, DockerArchiveError> {
        let mut left = self.limit;
        let members = self.jobs.iter().filter(|job| !job.again);
        let sizes = members.map(|job| {
            if self.progress.cancelled() {
                return Err(DockerArchiveError::Interrupted);
            }
            let size = (self.open)(job.descriptor).and_then(|mut blob| guess(&mut *blob));
            let size = size.map_err(|e| job.error(e))?.min(left);
            left -= size;
            Ok(size)
        });
        sizes.collect()
    }

    /// Does all jobs; `regions` are those of the jobs that make members, in their order; they come back.
    pub(super) fn run(
        &self,
        places: &Places,
        regions: Vec<Region>,
    ) -> Result<Vec<Region>, DockerArchiveError> {
        let mut regions = regions.into_iter();
        let slots: Vec<Mutex<Option<Region>>> =
            self.jobs.iter().map(|job| Mutex::new(if job.again { None } else { regions.next() })).collect();
        let mut longest_first: Vec<usize> = (0..self.jobs.len()).collect();
        longest_first.sort_by_key(|&i| std::cmp::Reverse(self.jobs[i].descriptor.size));
        let (next, failed, left) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicU64::new(self.limit));
        let errors = Mutex::new(Vec::new());
        together(self.threads.min(self.jobs.len()).min(MOST_AT_ONCE), || {
            while !failed.load(Ordering::Relaxed) {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                let Some(&index) = longest_first.get(turn) else { break };
                self.progress.layer(turn, self.jobs.len());
                let mut region = slots[index].lock().ok().and_then(|mut slot| slot.take());
                let done = self.layer(&self.jobs[index], region.as_mut(), places, &failed, &left);
                if let Ok(mut slot) = slots[index].lock() {
                    *slot = region;
                }
                if let Err(error) = done {
                    failed.store(true, Ordering::Relaxed);
                    if let Ok(mut errors) = errors.lock() {
                        errors.push((index, error));
                    }
                }
            }
        });
        // One thread's failure stops the others: theirs is the error to report, the lowest layer's first.
        let mut errors = errors.into_inner().unwrap_or_default();
        errors.sort_by_key(|(index, error)| (matches!(error, DockerArchiveError::Interrupted), *index));
        match errors.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(slots.into_iter().filter_map(|slot| slot.into_inner().ok().flatten()).collect()),
        }
    }

    /// One layer.
    fn layer(
        &self,
        job: &Job,
        mut region: Option<&mut Region>,
        places: &Places,
        failed: &AtomicBool,
        left: &AtomicU64,
    ) -> Result<(), DockerArchiveError> {
        let blob = (self.open)(job.descriptor).map_err(|e| job.error(e))?;
        let mut reader = Decompressor::new(blob, job.descriptor.size).map_err(|e| job.error(e))?;
        let (full, filled) = mpsc::sync_channel::<Vec<u8>>(CHUNKS);
        let (empty, emptied) = mpsc::channel::<Vec<u8>>();
        // Moved in, so that a panic here closes the channel before the writer is waited for.
        let found = std::thread::scope(move |scope| {
            let writer = start_in(scope, move || {
                let mut hasher = Hasher::new();
                for chunk in filled {
                    hasher.update(&chunk);
                    if let Some(region) = &mut region {
                        places.append(region, &chunk).map_err(DockerArchiveError::file)?;
                    }
                    self.progress.bytes(chunk.len() as u64);
                    let _ = empty.send(chunk); // nobody waits for it after the last chunk
                }
                Ok(hasher.finish())
            })?;
            let mut fresh = (0..CHUNKS).map(|_| Vec::with_capacity(CHUNK));
            let read = loop {
                if failed.load(Ordering::Relaxed) || self.progress.cancelled() {
                    break Err(DockerArchiveError::Interrupted);
                }
                // The writer ends early when it fails, and its error is the one to tell.
                let Some(mut chunk) = fresh.next().or_else(|| emptied.recv().ok()) else { break Ok(()) };
                chunk.resize(CHUNK, 0);
                let count = match fill(&mut reader, &mut chunk) {
                    Ok(count) => count,
                    Err(error) => break Err(job.error(error)),
                };
                let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(count as u64)
                });
                if taken.is_err() {
                    break Err(job.too_large(self.limit));
                }
                chunk.truncate(count);
                if count == 0 || full.send(chunk).is_err() || count < CHUNK {
                    break Ok(());
                }
            };
            drop(full);
            // A thread that panicked has nothing to say that could be told; the panic goes on.
            let found = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            read.and(found)
        })?;
        match found == job.diff_id {
            true => Ok(()),
            false => Err(DockerArchiveError::DiffId {
                position: job.position + 1,
                blob: job.descriptor.digest,
                found,
                expected: job.diff_id,
            }),
        }
    }
}

/// Fills `buffer`; fewer bytes mean that there are no more.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl Job<'_> {
    pub(super) fn error(&self, source: io::Error) -> DockerArchiveError {
        DockerArchiveError::Layer { position: self.position + 1, blob: self.descriptor.digest, source }
    }

    fn too_large(&self, limit: u64) -> DockerArchiveError {
        DockerArchiveError::TooLarge { position: self.position + 1, blob: self.descriptor.digest, limit }
    }
}
