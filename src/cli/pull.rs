//! `gantry pull`: an image from a registry, as a layout, an archive, or skopeo's docker-archive.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Failure;
use super::progress::Display;
use super::source::Source;
use crate::assemble;
use crate::output::{Archive, Place};
use crate::pull::Pull;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Where to write; must not exist
    out: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t = Form::Layout)]
    format: Form,
    /// The name and tag in the image, NAME[:TAG] [default: those of the reference]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Form {
    /// An OCI image layout, a directory
    Layout,
    /// One tar: an OCI archive and a docker-archive at once
    Archive,
    /// The docker-archive that skopeo writes, byte for byte
    DockerArchive,
}

pub fn run(arguments: Arguments, interrupted: Arc<AtomicBool>) -> Result<(), Failure> {
    let display = Display::new(false, interrupted);
    let client = arguments.source.options().client()?;
    let (reference, platform) = (arguments.source.reference()?, arguments.source.options().platform());
    let pull = Pull { client: &client, reference: &reference, platform: &platform, progress: &display };
    let (name, tag) = arguments.source.name_and_tag(arguments.name.as_deref())?;
    let name = (&name[..], &tag[..]);
    let (out, threads) = (&arguments.out, super::threads(None));
    let result: Result<(), Failure> = match arguments.format {
        Form::Layout => pull.layout(out, Place::Beside, name).map(drop).map_err(Failure::from),
        Form::DockerArchive => pull
            .docker_archive(out, Place::Beside, name, &env::temp_dir(), threads)
            .map(drop)
            .map_err(Failure::from),
        Form::Archive => super::temporary_directory(&env::temp_dir()).and_then(|folder| {
            let layout = folder.path().join("layout");
            // Created first: a path that is taken is no reason to download anything.
            let archive = Archive::create(out, Place::Beside)?;
            let pulled = pull.layout(&layout, Place::Direct, name).map_err(Failure::from);
            pulled.map_err(|failure| failure.reworded(|message| folder.hide(message)))?;
            // The layout is gone when an error is read: the image and its blobs have names of their own.
            let blobs = layout.join("blobs/sha256/").display().to_string();
            let in_layout = format!("{}/", layout.display());
            let (blob, document) = (format!("{reference}: blob sha256:"), format!("{reference}: "));
            let copied = assemble::copy(&layout, name, threads, &display, Box::new(archive));
            copied.map_err(|e| {
                Failure::from(e)
                    .reworded(|m| folder.hide(&m.replace(&blobs, &blob).replace(&in_layout, &document)))
            })
        }),
    };
    display.finish();
    result
}
