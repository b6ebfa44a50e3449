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
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::Value;

use super::Failure;
use super::progress::Display;
use crate::assemble::{AssembleError, Plan, Surroundings};
use crate::closure::graph::PathInfo;
use crate::layer::LayerError;
use crate::output::{Archive, Format, LayoutDirectory, Place, WholeDirectory};
use crate::root::{self, RootError};
use crate::spec::{self, ImageSpec, RootSpec};

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
    /// An image on top of a root layer.
    Image { arguments: Value, format: Value, root: PathBuf },
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
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    match attributes.gantry {
        Task::Root { arguments } => {
            let spec = RootSpec::from_json(&arguments)?;
            display.phase("root layer");
            let whole = WholeDirectory::create(&out, place)?;
            match root::build(&spec, &store, spec.mtime.seconds(now), whole.working(), &display) {
                Ok(_) => whole.finish()?,
                Err(RootError::Interrupted) => return Err(Failure::Interrupted),
                Err(error) => return Err(error.into()),
            }
        }
        Task::Image { arguments: image, format, root } => {
            let spec = ImageSpec::from_json(&image)?;
            let format = spec::Format::from_json(&format)?;
            let surroundings = Surroundings {
                root: &root,
                store: &store,
                threads: threads(arguments.cores),
                now,
                progress: &display,
            };
            let result = assemble(&spec, attributes.closure, &surroundings, &display, || {
                Ok(match format {
                    spec::Format::Archive => Box::new(Archive::create(&out, place)?),
                    spec::Format::Layout => Box::new(LayoutDirectory::create(&out, place)?),
                })
            });
            display.finish();
            result?;
        }
    }
    Ok(())
}

fn assemble(
    spec: &ImageSpec,
    closure: Vec<PathInfo>,
    surroundings: &Surroundings,
    display: &Display,
    format: impl FnOnce() -> Result<Box<dyn Format>, AssembleError>,
) -> Result<(), Failure> {
    display.phase("measuring");
    let plan = Plan::new(spec, closure, surroundings)?;
    display.expect(plan.bytes());
    match format().and_then(|format| plan.write(format)) {
        Ok(_) => Ok(()),
        Err(AssembleError::Layer(LayerError::Interrupted)) => Err(Failure::Interrupted),
        Err(error) => Err(error.into()),
    }
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

/// Threads: as given, as Nix says (0 means all), or one a core.
fn threads(given: Option<NonZeroUsize>) -> usize {
    let all = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let of_nix = || env::var("NIX_BUILD_CORES").ok()?.parse::<usize>().ok().filter(|&cores| cores > 0);
    given.map(NonZeroUsize::get).or_else(of_nix).unwrap_or_else(all)
}
