//! From the argument `compressor` to what an archive is compressed with.

use std::path::Path;

use crate::layer::Progress;
use crate::output::Packing;
use crate::spec::{Compression, Compressor, DEFAULT_GZIP_LEVEL, DEFAULT_ZSTD_LEVEL};

/// How `compressor` compresses an archive, which is in the directory `temporary` before.
pub fn packing<'p>(
    compressor: Compressor,
    temporary: &'p Path,
    threads: usize,
    progress: &'p dyn Progress,
) -> Option<Packing<'p>> {
    let compression = match compressor {
        Compressor::None => return None,
        Compressor::Gzip => Compression::Gzip(DEFAULT_GZIP_LEVEL),
        Compressor::Zstd => Compression::Zstd(DEFAULT_ZSTD_LEVEL),
    };
    Some(Packing { compression, temporary, threads, progress })
}
