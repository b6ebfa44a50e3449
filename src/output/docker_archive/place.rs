//! Where layers go in the file while their sizes are being found out.
//!
//! Headers hold sizes and come first, but how long a compressed layer is shows when all of it has been
//! read. [`decompress`](crate::layer::decompress) guesses: so every layer gets a place of that many bytes, and
//! what more it has goes to a *tail* far behind everything else (the file is sparse there). When all sizes are
//! known, layers move up to make room and the tails are put in, which is nothing to do if all guesses were
//! right. A guess that was too high is not mended here: layers would have to move both ways.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::header;
use crate::layer::tar::{BLOCK, padding};

/// A tail is made of pieces of this many bytes.
const PIECE: u64 = 4 << 20;
/// Bytes copied at a time.
const COPIED: u64 = 1 << 20;
/// Around every layer there are at most so many bytes: header and padding.
const AROUND: u64 = 4 * BLOCK;

/// The file's regions.
pub(super) struct Places<'f> {
    file: &'f File,
    /// Where the next piece of a tail goes.
    tails: AtomicU64,
}

/// Where one layer is for now.
#[derive(Debug)]
pub(super) struct Region {
    /// Where its data begins.
    start: u64,
    /// How many bytes were guessed.
    guessed: u64,
    /// How many bytes fit there.
    room: u64,
    written: u64,
    tail: Vec<u64>,
}

impl<'f> Places<'f> {
    /// Places for layers of these sizes, bottom first, by guess, and of at most `limit` bytes together,
    /// which the guesses do not exceed, either.
    pub(super) fn new(file: &'f File, sizes: &[u64], limit: u64) -> (Places<'f>, Vec<Region>) {
        let mut end = 0;
        let mut regions: Vec<Region> = sizes
            .iter()
            .map(|&size| {
                let start = end + header::length(size);
                end = start + size + padding(size);
                Region { start, guessed: size, room: size, written: 0, tail: Vec::new() }
            })
            .collect();
        if let Some(last) = regions.last_mut() {
            last.room = u64::MAX;
        }
        let tails = AtomicU64::new(limit + AROUND * sizes.len() as u64);
        (Places { file, tails }, regions)
    }

    /// Appends `bytes` to what the region holds.
    pub(super) fn append(&self, region: &mut Region, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (at, room) = match region.room.checked_sub(region.written) {
                Some(room) if room > 0 => (region.start + region.written, room),
                _ => {
                    let filled = (region.written - region.room) % PIECE;
                    if filled == 0 {
                        region.tail.push(self.tails.fetch_add(PIECE, Ordering::Relaxed));
                    }
                    (region.tail.last().copied().unwrap_or_default() + filled, PIECE - filled)
                }
            };
            let (now, later) =
                bytes.split_at(usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len())));
            self.file.write_all_at(now, at)?;
            region.written += now.len() as u64;
            bytes = later;
        }
        Ok(())
    }

    /// Moves every layer to where it belongs, calling `stop` now and then; all regions are full. Returns
    /// where each one's header and data begin and how long the data is, and where the last one's padding
    /// ends.
    pub(super) fn settle(
        &self,
        regions: &[Region],
        stop: &dyn Fn() -> io::Result<()>,
    ) -> io::Result<(Vec<Settled>, u64)> {
        let mut end = 0;
        let settled: Vec<Settled> = regions
            .iter()
            .map(|region| {
                let start = end + header::length(region.written);
                let settled = Settled { header: end, start, size: region.written };
                end = start + region.written + padding(region.written);
                settled
            })
            .collect();
        // Everything moves up, so the last layer makes way for the one before it. A tail's target lies
        // above its own layer's place, and above those of all layers below.
        for (region, to) in regions.iter().zip(&settled).rev() {
            let mut left = region.written.saturating_sub(region.room);
            for (i, &piece) in region.tail.iter().enumerate() {
                let count = left.min(PIECE);
                self.copy(piece, to.start + region.room + i as u64 * PIECE, count, stop)?;
                left -= count;
            }
            if to.start != region.start {
                self.copy(region.start, to.start, region.written.min(region.room), stop)?;
            }
        }
        Ok((settled, end))
    }

    /// Copies backwards, so that the target may overlap with what lies above the source's beginning.
    fn copy(&self, from: u64, to: u64, count: u64, stop: &dyn Fn() -> io::Result<()>) -> io::Result<()> {
        let mut buffer = vec![0; COPIED.min(count) as usize];
        let mut left = count;
        while left > 0 {
            stop()?;
            let now = &mut buffer[..left.min(COPIED) as usize];
            left -= now.len() as u64;
            self.file.read_exact_at(now, from + left)?;
            self.file.write_all_at(now, to + left)?;
        }
        Ok(())
    }
}

/// Where a layer is for good.
pub(super) struct Settled {
    pub header: u64,
    pub start: u64,
    pub size: u64,
}

impl Region {
    /// Whether as much was written as was guessed, or more.
    pub(super) fn is_full(&self) -> bool {
        self.written >= self.guessed
    }
}
