//! How the pipeline tells what it does, and learns that it should stop.

/// Told of progress from many threads at once.
pub trait Progress: Sync {
    /// Layer `index` of `count` (from 0) is being written.
    fn layer(&self, index: usize, count: usize);
    /// So many more bytes of layers, uncompressed, are done.
    fn bytes(&self, count: u64);
    /// Whether to stop as soon as possible.
    fn cancelled(&self) -> bool;
}

/// Tells nobody and never stops.
pub struct Silent;

impl Progress for Silent {
    fn layer(&self, _index: usize, _count: usize) {}
    fn bytes(&self, _count: u64) {}
    fn cancelled(&self) -> bool {
        false
    }
}
