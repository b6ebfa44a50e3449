//! `gantry merge`: several images in one archive.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Failure;
use super::packing::packing;
use super::progress::Display;
use crate::assemble;
use crate::output::{Place, archive};
use crate::spec::Compressor;

#[derive(clap::Args)]
pub struct Arguments {
    /// Images: layouts, OCI archives, docker-archives, each of one image or several
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Where to write; must not exist
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How to compress the archive as a whole
    #[arg(long, value_enum, default_value_t = Codec::None)]
    compressor: Codec,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Codec {
    /// Not at all
    None,
    /// gzip
    Gz,
    /// Zstandard
    Zstd,
}

pub fn run(arguments: Arguments, interrupted: Arc<AtomicBool>) -> Result<(), Failure> {
    let display = Display::new(false, interrupted);
    let (temporary, threads) = (env::temp_dir(), super::threads(None));
    let compressor = match arguments.compressor {
        Codec::None => Compressor::None,
        Codec::Gz => Compressor::Gzip,
        Codec::Zstd => Compressor::Zstd,
    };
    let packing = packing(compressor, &temporary, threads, &display);
    let archive = archive(&arguments.output, Place::Beside, packing)?;
    let result = assemble::merge(&arguments.images, threads, &display, archive);
    display.finish();
    Ok(result?)
}
