//! `gantry build`: what a derivation of `builtins.ociImage` runs.
//!
//! Reads the derivation's structured attributes (`.attrs.json`): `gantry` says what to make, `closure` is
//! the exported graph, `outputs.out` the path to write. By hand, on a saved file, for debugging and
//! measuring, with `--attrs` and `--out`.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Deserialize;
use serde_json::Value;

use super::Failure;
use super::packing::packing;
use super::progress::Display;
use crate::assemble::{self, Plan, Recipe, Surroundings, Top};
use crate::base::{self, filesystem};
use crate::closure::graph::{PathInfo, reached};
use crate::digest::Digest;
use crate::image::Descriptor;
use crate::output::{
    Format, LayoutDirectory, Packing, Place, WholeDirectory, WholeFile, archive, link_layout, write_script,
};
use crate::pull::Pull;
use crate::registry::{Client, Environment, Options, Platform, Preferred, Reference, RegistryError};
use crate::root::{self, DirectoryLinks, database};
use crate::spec::{self, Base, Compressor, DatabaseSpec, ImageSpec, IndexSpec, LayerSpec, PullSpec};

#[derive(clap::Args)]
pub struct Arguments {
    /// The derivation's structured attributes [default: $NIX_ATTRS_JSON_FILE]
    #[arg(long, value_name = "FILE")]
    attrs: Option<PathBuf>,
    /// Where to write; must not exist [default: the derivation's output]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Threads to use; the result does not depend on it [default: $NIX_BUILD_CORES, or all]
    #[arg(long, value_name = "N")]
    cores: Option<NonZeroUsize>,
}

/// `.attrs.json`, as far as it is ours.
#[derive(Deserialize)]
struct Attributes {
    gantry: Task,
    #[serde(default)]
    closure: Vec<PathInfo>,
    #[serde(default)]
    outputs: BTreeMap<String, PathBuf>,
}

/// What to make.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Task {
    /// A root layer with its configuration.
    Root { arguments: Value },
    /// A docker-archive of an image in a registry.
    Pull { arguments: Value },
    /// A blob of an image in a registry.
    Blob { arguments: BlobArguments },
    /// A layout of links to blobs.
    Links { name: String, tag: String, manifest: LinkedManifest, blobs: Vec<LinkedBlob> },
    /// A layer of an image, by itself.
    Layer { arguments: Value },
    /// An index of images.
    Index { arguments: Value, format: Value, compressor: Option<Value> },
    /// Several images in one archive.
    Merge { images: Vec<PathBuf>, compressor: Option<Value> },
    /// The links to directories in an image.
    #[serde(rename = "directory-links")]
    DirectoryLinks { arguments: Value },
    /// The Nix database of an image.
    Database { arguments: Value, root: PathBuf },
    /// The root file system of an image, as one tar.
    Export { image: PathBuf },
    /// An image on top of a root layer.
    Image {
        arguments: Value,
        format: Value,
        compressor: Option<Value>,
        root: PathBuf,
        database: Option<PathBuf>,
    },
}

/// A blob, as `nix/pull-image.nix` describes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BlobArguments {
    image_name: String,
    tls_verify: bool,
    digest: Digest,
    size: u64,
}

/// The manifest of a layout of links.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LinkedManifest {
    media_type: String,
    digest: Digest,
    size: u64,
    path: PathBuf,
}

/// A blob of a layout of links.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkedBlob {
    digest: Digest,
    path: PathBuf,
}

pub fn run(arguments: Arguments, interrupted: Arc<AtomicBool>) -> Result<(), Failure> {
    let attrs = attributes_file(arguments.attrs)?;
    let fail = |what: String| Failure::Message(format!("{}: {what}", attrs.display()));
    let bytes = fs::read(&attrs).map_err(|e| fail(e.to_string()))?;
    let attributes: Attributes = serde_json::from_slice(&bytes).map_err(|e| {
        fail(format!("{e}; expected the structured attributes of a derivation made by builtins.ociImage"))
    })?;
    // Nix keeps a builder's output from all eyes until it succeeds, and lets it write nowhere else.
    let (out, place) = match (arguments.out, attributes.outputs.get("out")) {
        (Some(out), _) => (out, Place::Beside),
        (None, Some(out)) => (out.clone(), Place::Direct),
        (None, None) => return Err(fail("no outputs.out; use --out PATH".into())),
    };
    let display = Display::new(place == Place::Direct && env::var_os("NIX_LOG_FD").is_some(), interrupted);
    let store = env::var_os("NIX_STORE").map_or_else(|| PathBuf::from("/nix/store"), PathBuf::from);
    let now = super::now();
    let threads = super::threads(arguments.cores);
    let temporary = env::temp_dir();
    let packing = |compressor| packing(compressor, &temporary, threads, &display);
    match attributes.gantry {
        Task::Root { arguments } => {
            display.phase("root layer");
            let whole = WholeDirectory::create(&out, place)?;
            let (temporary, cores) = (&temporary, threads);
            let surroundings =
                root::Surroundings { store: &store, temporary, cores, now, progress: &display };
            let built = root::build(&arguments, &surroundings, whole.working());
            built.map_err(|e| named(&whole, e))?;
            whole.finish()?;
        }
        Task::DirectoryLinks { arguments: below } => {
            let Some(below) = Base::from_json(&below)? else { return Err(fail("no fromImage".into())) };
            let image =
                filesystem::read(&base::open(&below.path, below.platform.as_ref(), &display)?, &display)?;
            let links = serde_json::to_vec(&DirectoryLinks::of(&image))?;
            let whole = WholeFile::create(&out, place)?;
            whole.write_all(&links)?;
            whole.finish()?;
        }
        Task::Database { arguments: database, root } => {
            let spec = DatabaseSpec::from_json(&database)?;
            display.phase("Nix database");
            let image = match &spec.from_image {
                Some(below) => {
                    let image = base::open(&below.path, below.platform.as_ref(), &display)?;
                    Some(filesystem::read(&image, &display)?)
                }
                None => None,
            };
            let time = spec.mtime.seconds(now);
            let whole = WholeDirectory::create(&out, place)?;
            let closure = match spec.paths {
                None => attributes.closure,
                Some(paths) => {
                    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
                    let through: Vec<&Path> = spec.through.iter().map(PathBuf::as_path).collect();
                    reached(&attributes.closure, &paths, &through)
                }
            };
            let written = database::write(&closure, &root, image.as_ref(), time, whole.working(), &display);
            written.map_err(|e| named(&whole, e))?;
            whole.finish()?;
        }
        Task::Image { arguments: image, format, compressor, root, database } => {
            let top = Top { root, database };
            let spec = ImageSpec::from_json(&image)?;
            let compressor = Compressor::from_json(compressor.as_ref(), &format)?;
            let format = spec::Format::from_json(&format)?;
            let surroundings = Surroundings { store: &store, threads, now, progress: &display };

            display.phase("measuring");
            let plan = Plan::new(&spec, &top, attributes.closure, &surroundings).map_err(Failure::from);
            let result = plan.and_then(|plan| {
                display.expect(plan.bytes());
                if format == spec::Format::Stream {
                    let recipe = Recipe::new(plan, image, top)?;
                    let recipe = serde_json::to_vec(&recipe)?;
                    return Ok(write_script(&out, place, &env::current_exe()?, &recipe)?);
                }
                Ok(plan.write(create(format, packing(compressor), &out, place)?)?)
            });
            display.finish();
            result?;
        }
        Task::Layer { arguments: layer } => {
            let spec = LayerSpec::from_json(&layer)?;
            display.phase("layer");
            let whole = WholeDirectory::create(&out, place)?;
            let surroundings = Surroundings { store: &store, threads, now, progress: &display };
            let result = assemble::write_layer(&spec, attributes.closure, whole.working(), &surroundings);
            display.finish();
            result.map_err(|e| named(&whole, e))?;
            whole.finish()?;
        }
        Task::Export { image } => super::export::to_file(&image, &out, place, &display)?,
        Task::Pull { arguments: pull } => {
            let spec = PullSpec::from_json(&pull)?;
            let preferred = if spec.prefer_gzip { Preferred::Gzip } else { Preferred::Zstd };
            let client = client(spec.tls_verify, preferred)?;
            let reference: Reference = spec.image_name.parse()?;
            let pull = Pull {
                client: &client,
                reference: &reference.with_digest(spec.image_digest),
                platform: &spec.platform,
                progress: &display,
            };
            let name = (&spec.final_image_name[..], &spec.final_image_tag[..]);
            let result = pull.docker_archive(&out, place, name, &temporary, threads);
            display.finish();
            result?;
        }
        Task::Blob { arguments: blob } => {
            let client = client(blob.tls_verify, Preferred::default())?;
            let reference: Reference = blob.image_name.parse()?;
            // One blob of many platforms: the client asks for it by its digest.
            let platform = Platform { os: String::new(), architecture: String::new(), variant: None };
            let pull =
                Pull { client: &client, reference: &reference, platform: &platform, progress: &display };
            display.expect(blob.size);
            let descriptor = Descriptor::new("application/octet-stream", blob.digest, blob.size);
            let result = pull.blob(&descriptor, &out, place);
            display.finish();
            result?;
        }
        Task::Links { name, tag, manifest, blobs } => {
            let mut links: Vec<(Digest, PathBuf)> =
                blobs.into_iter().map(|blob| (blob.digest, blob.path)).collect();
            links.push((manifest.digest, manifest.path));
            let descriptor = Descriptor::new(&manifest.media_type, manifest.digest, manifest.size);
            link_layout(&out, place, (&name, &tag), descriptor, &links)?;
        }
        Task::Merge { images, compressor } => {
            let compressor = Compressor::from_json(compressor.as_ref(), &"archive".into())?;
            let archive = archive(&out, place, packing(compressor))?;
            let result = assemble::merge(&images, threads, &display, archive);
            display.finish();
            result?;
        }
        Task::Index { arguments: index, format, compressor } => {
            let spec = IndexSpec::from_json(&index)?;
            let packing = packing(Compressor::from_json(compressor.as_ref(), &format)?);
            let format = create(spec::Format::from_json(&format)?, packing, &out, place)?;
            let result = assemble::write_index(&spec, threads, &display, format);
            display.finish();
            result?;
        }
    }
    Ok(())
}

/// An error on the way to a directory, which is called by its own path: the one that it has meanwhile is gone.
fn named(whole: &WholeDirectory, error: impl std::error::Error + 'static) -> Failure {
    let (working, path) = (whole.working().display().to_string(), whole.path().display().to_string());
    Failure::from(error).reworded(|message| message.replace(&working, &path))
}

/// A client in this process's surroundings.
fn client(tls_verify: bool, preferred: Preferred) -> Result<Client, RegistryError> {
    Client::new(&Environment::of_process(), Options { tls_verify, preferred, ..Options::default() })
}

/// An image's file or directory, to be written.
fn create<'p>(
    format: spec::Format,
    packing: Option<Packing<'p>>,
    out: &Path,
    place: Place,
) -> Result<Box<dyn Format + 'p>, Failure> {
    Ok(match format {
        spec::Format::Archive => archive(out, place, packing)?,
        spec::Format::Layout => Box::new(LayoutDirectory::create(out, place)?),
        spec::Format::Stream => {
            let what = "format = \"stream\" is for one image; an index is an archive or a layout";
            return Err(Failure::Message(what.to_owned()));
        }
    })
}

/// Where the attributes are: as given, as Nix says, or where Nix puts them. (Nix 2.8 says a path outside
/// the sandbox, so what it says is believed only if there is a file.)
fn attributes_file(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let said = env::var_os("NIX_ATTRS_JSON_FILE").map(PathBuf::from);
    let usual = env::var_os("NIX_BUILD_TOP").map(|top| Path::new(&top).join(".attrs.json"));
    given.or_else(|| [said, usual].into_iter().flatten().find(|path| path.exists())).ok_or_else(|| {
        Failure::Message("nothing to build: use --attrs FILE with a derivation's .attrs.json".into())
    })
}
