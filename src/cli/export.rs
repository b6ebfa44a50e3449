//! `gantry export`: an image's root file system, as one tar.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Failure;
use super::progress::Display;
use super::standard_output::StandardOutput;
use crate::base::{self, filesystem};
use crate::output::{Place, WholeFile, content_size, write_flat};

#[derive(clap::Args)]
pub struct Arguments {
    /// An OCI image layout (a directory), an OCI archive or a docker-archive
    image: PathBuf,
    /// Where to write; must not exist [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(
    arguments: Arguments,
    stdout: StandardOutput,
    interrupted: Arc<AtomicBool>,
) -> Result<(), Failure> {
    let display = Display::new(false, interrupted);
    let Some(out) = &arguments.output else {
        let out = stdout.for_a_tar("use --output FILE, or redirect it")?;
        return flatten(&arguments.image, out, stdout.name(), &display);
    };
    to_file(&arguments.image, out, Place::Beside, &display)
}

/// Writes the root file system of `image` to the new file `out`.
pub(super) fn to_file(image: &Path, out: &Path, place: Place, display: &Display) -> Result<(), Failure> {
    // Created first: a path that is taken is no reason to read anything.
    let whole = WholeFile::create(out, place)?;
    flatten(image, whole.file(), out, display)?;
    Ok(whole.finish()?)
}

fn flatten(image: &Path, out: impl Write, path: &Path, display: &Display) -> Result<(), Failure> {
    let image = base::open(image, None, display)?;
    let blobs = image.layers.iter().fold(0u64, |sum, layer| sum.saturating_add(layer.extent.size));
    display.expect(blobs);
    let result = filesystem::read(&image, display).map_err(Failure::from).and_then(|root| {
        display.phase("writing");
        display.expect(blobs.saturating_add(content_size(&root)));
        Ok(write_flat(&root, out, path, display)?)
    });
    display.finish();
    result
}
