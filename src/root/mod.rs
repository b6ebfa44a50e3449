//! The root layer: what an image holds outside the store, and the configuration that goes with it.
//!
//! Its derivation's output is a directory of two files, `layer.tar` and `root.json` ([`Recorded`]).
//! Nix scans them for references, and what it finds is the closure that the image ships: every store
//! path that a link, a copied file or the configuration names.

pub mod commands;
mod copies;
pub mod database;
mod links;
mod merge;
mod merged;
mod perms;
mod recorded;
mod tree;
mod users;
mod write;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub use copies::{Copies, write_copies};
pub use links::DirectoryLinks;
pub use merge::{Conflict, MergeError};
pub use recorded::{Recorded, RecordedLayer};

use crate::base::filesystem;
use crate::base::{self, BaseError};
use crate::layer::tar::Shared;
use crate::layer::{LayerError, Progress};
use crate::spec::{ArgumentError, Base, RootSpec, Source};
use crate::temporary::{hide, without_path};
use merged::Way;
use tree::{Directory, InTheWay, Node};
use write::Defaults;

/// Why a root layer could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The contents do not fit together.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// An argument is wrong.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// The base image could not be read.
    #[error("fromImage: {0}")]
    Base(#[from] BaseError),
    /// A store path could not be read.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// Something is in the way of a directory or file that is asked for.
    #[error("{} is asked for, and the contents have something else there", .0.display())]
    InTheWay(PathBuf),
    /// One thing in two places that are one in the image below.
    #[error(
        "/{} is there twice, and different: fromImage has a link /{link} to that directory; leave one out",
        path.display()
    )]
    Twice {
        /// Where it is in the image.
        path: PathBuf,
        /// The link that the other one was found under.
        link: String,
    },
    /// A rule about nothing.
    #[error(
        "perms: {0:?} matches nothing in the root layer (the contents, users, directories, and what scripts made; not the store, and not the base image)"
    )]
    Perms(String),
    /// The same in an explicit layer.
    #[error(
        "perms: {0:?} matches nothing in the layer (what copyToRoot brings, and below the store directory its store paths, unless they are in a layer below)"
    )]
    LayerPerms(String),
    /// The scripts, or what they need.
    #[error("{0}")]
    Commands(String),
    /// The system refused something.
    #[error("{}: {source}", path.display())]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file has another length than when it was looked at.
    #[error("{} changed while it was read", .0.display())]
    Changed(PathBuf),
    /// The user or Nix asked us to stop.
    #[error("interrupted")]
    Interrupted,
    /// `root.json` is not what this version writes.
    #[error("{}: {source}; it was made by another version of gantry", path.display())]
    Recorded {
        /// The file.
        path: PathBuf,
        /// What serde_json said.
        source: serde_json::Error,
    },
}

impl From<InTheWay> for RootError {
    fn from(in_the_way: InTheWay) -> RootError {
        RootError::InTheWay(in_the_way.0)
    }
}

impl RootError {
    fn io(path: &Path, source: impl Into<std::io::Error>) -> RootError {
        RootError::Io { path: path.to_path_buf(), source: source.into() }
    }
}

/// Where a root layer is made, and with what.
pub struct Surroundings<'s> {
    /// The store directory, usually `/nix/store`.
    pub store: &'s Path,
    /// A directory for what scripts make.
    pub temporary: &'s Path,
    /// Threads that scripts may use.
    pub cores: usize,
    /// What `"now"` means: seconds since 1970.
    pub now: i64,
    /// Told what goes on.
    pub progress: &'s dyn Progress,
}

/// Makes the root layer that `arguments` ask for in the new directory `out`.
pub fn build(arguments: &Value, surroundings: &Surroundings, out: &Path) -> Result<Recorded, RootError> {
    // What scripts make is read until the layer is written.
    let mut work = None;
    let built = build_with(&mut work, arguments, surroundings, out);
    built.map_err(|error| match &work {
        Some(work)
            if !matches!(
                error,
                RootError::Interrupted
                    | RootError::Base(BaseError::Interrupted)
                    | RootError::Layer(LayerError::Interrupted)
            ) =>
        {
            RootError::Commands(without_work(&error.to_string(), work.path(), surroundings.temporary))
        }
        _ => error,
    })
}

/// A message that does not name the directory in which scripts worked: it is gone when the message is read.
fn without_work(message: &str, work: &Path, temporary: &Path) -> String {
    // Where scripts work, paths begin anew.
    let mut message = message.to_owned();
    for root in ["merged", "layer"].map(|name| work.join(name).display().to_string()) {
        message = message.replace(&format!("{root}/"), "in the root of the scripts: /");
        message = message.replace(&root, "the root of the scripts");
    }
    hide(&message, work, &temporary.display().to_string())
}

fn build_with(
    work: &mut Option<commands::Work>,
    arguments: &Value,
    surroundings: &Surroundings,
    out: &Path,
) -> Result<Recorded, RootError> {
    let spec = RootSpec::from_json(arguments)?;
    let Surroundings { store, progress, .. } = *surroundings;
    let mtime = spec.mtime.seconds(surroundings.now);
    let mut tree = match spec.commands {
        None => {
            let image = spec.from_image.as_ref().filter(|_| !spec.users.is_empty());
            let image = image.map(|base| files_of(base, progress)).transpose()?;
            plain_tree(&spec, store, image.as_ref())?
        }
        Some(_) => {
            let directory = commands::Work::new(surroundings.temporary);
            let directory = directory.map_err(|e| RootError::io(surroundings.temporary, without_path(e)))?;
            let work = work.insert(directory).path();
            let inside = commands::Surroundings { store, work, cores: surroundings.cores, mtime };
            commands::run(arguments, &inside, progress)?
        }
    };
    copies::at_their_place(&mut tree, &spec.perms, &spec.copy_to_root)?;
    perms::apply_sources(&mut tree, &spec.perms, &spec.copy_to_root)?;
    // Where there are scripts, it is known there which links they have left.
    if let Some(path) = spec.directory_links.as_deref().filter(|_| spec.commands.is_none()) {
        DirectoryLinks::read(path)?.follow(&mut tree)?;
    }
    if spec.include_nix_db {
        database::clear_room(&mut tree)?;
    }
    if let Some(glob) = perms::apply(&mut tree, &spec.perms).first() {
        return Err(RootError::Perms(glob.to_string()));
    }
    fs::create_dir_all(out).map_err(|e| RootError::io(out, e))?;
    let shared = Shared { mtime, owner: spec.owner.clone() };
    let defaults = Defaults { shared: &shared, users: &spec.users };
    let layer = write::write(&tree, &defaults, &out.join("layer.tar"), progress)?;
    // A database belongs to whom its directory belongs to.
    let database = spec.include_nix_db.then(|| match tree.get(Path::new(database::DIRECTORY)) {
        Some(Node::Directory(directory)) => defaults.owner(&directory.attributes.owner),
        _ => spec.owner.clone(),
    });
    let recorded = Recorded {
        database,
        config: spec.config.clone(),
        contents: kept(&spec).map(|source| source.path.display().to_string()).collect(),
        layer,
    };
    recorded.write(out)?;
    Ok(recorded)
}

/// The sources that are in the store of the image, too, also if nothing refers to them.
fn kept(spec: &RootSpec) -> impl Iterator<Item = &Source> {
    let copied = spec.copy_to_root.iter().filter(|_| spec.include_copied_paths);
    spec.contents.iter().chain(copied)
}

/// Bytes of a base's `/etc/passwd` or `/etc/group`, which are read into memory: some 100,000 lines.
const MOST_OF_USERS: u64 = 8 << 20;

/// The files of the image below.
fn files_of(below: &Base, progress: &dyn Progress) -> Result<filesystem::Directory, BaseError> {
    filesystem::read(&base::open(&below.path, below.platform.as_ref(), progress)?, progress)
}

/// The root layer without what scripts and `perms` do to it, on top of `image`.
fn plain_tree(
    spec: &RootSpec,
    store: &Path,
    image: Option<&filesystem::Directory>,
) -> Result<Directory, RootError> {
    let mut merged = merged::Tree::default();
    let copied = Way::Copy { keep_dirlinks: spec.keep_contents_dirlinks };
    for (name, sources, way) in
        [("contents", &spec.contents, Way::Link), ("copyToRoot", &spec.copy_to_root, copied)]
    {
        for (index, source) in sources.iter().enumerate() {
            merge::add(&mut merged, source, &format!("{name}[{index}]"), way, store)?;
        }
    }
    let mut tree = merged::finish(merged);
    let below = |path: &Path| match image.and_then(|image| image.file(path)) {
        Some(extent) if extent.size > MOST_OF_USERS => {
            let what =
                format!("{} has {} bytes, and the most is {MOST_OF_USERS}", path.display(), extent.size);
            Err(RootError::io(&extent.path, io::Error::other(what)))
        }
        Some(extent) => extent.read_all().map(Some).map_err(|e| RootError::io(&extent.path, e)),
        None => Ok(None),
    };
    users::add(&mut tree, &spec.users, &below, store)?;
    if spec.include_nix_db {
        database::make_room(&mut tree, kept(spec).cloned())?;
    }
    perms::make_directories(&mut tree, &spec.directories)?;
    Ok(tree)
}
