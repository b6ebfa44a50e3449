//! Explicit layers: each made by a derivation of its own from the closure of some paths, less what lies
//! below, and of copies in `/`; put into images as it is.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{AssembleError, Surroundings, base_layers};
use crate::base;
use crate::closure::graph::{Graph, PathInfo, reached};
use crate::closure::layering;
use crate::layer::tar::Shared;
use crate::layer::{self, Layer, LayerError, Piece, RecordedBlob, RecordedLayer, RecordedPath};
use crate::output::BlobFile;
use crate::root::{self, Copies, RootError};
use crate::spec::{Files, LayerSpec, Layering};

/// Makes the layer that `spec` asks for, of the paths in `closure`, in the new directory `out`; if it may be
/// divided, its parts in directories there that are called by their numbers.
pub fn write_layer(
    spec: &LayerSpec,
    closure: Vec<PathInfo>,
    out: &Path,
    surroundings: &Surroundings,
) -> Result<(), AssembleError> {
    let known: HashMap<String, PathInfo> =
        closure.iter().map(|info| (info.path.clone(), info.clone())).collect();
    let copied: Vec<&Path> = spec.copy_to_root.iter().map(|source| source.path.as_path()).collect();
    let named: Vec<&Path> = spec.paths.iter().map(PathBuf::as_path).collect();
    for path in named.iter().chain(&copied) {
        // An argument may be a path below a store path.
        if !path.ancestors().any(|path| path.to_str().is_some_and(|path| known.contains_key(path))) {
            return Err(AssembleError::NotInClosure(path.to_path_buf()));
        }
    }
    let held = held(spec, &closure, &named, copied)?;
    let below = below(spec, surroundings)?;
    let without: Vec<&Path> = below.iter().map(PathBuf::as_path).collect();
    let graph = Graph::new(held, &without)?;
    let plan = match spec.max_layers {
        1 => layering::plan(&graph, &Layering::Single, 1, 0)?,
        most => layering::plan(&graph, &Layering::Popularity, most, 0)?,
    };
    let maker = Maker { spec, known: &known, surroundings };
    let mut unmatched: Option<Vec<String>> = None;
    let mut parts = plan.into_iter();
    let last = parts.len().saturating_sub(1);
    for part in 0..spec.max_layers {
        let paths = parts.next().unwrap_or_default();
        let directory = match spec.max_layers {
            1 => out.to_path_buf(),
            _ => out.join(part.to_string()),
        };
        fs::create_dir_all(&directory).map_err(|e| LayerError::io(&directory, e))?;
        let unmatched_here = maker.layer(paths, part == last, &directory)?;
        match &mut unmatched {
            Some(globs) => globs.retain(|glob| unmatched_here.contains(glob)),
            None => unmatched = Some(unmatched_here),
        }
    }
    match unmatched.and_then(|globs| globs.into_iter().next()) {
        Some(glob) => Err(RootError::LayerPerms(glob).into()),
        None => Ok(()),
    }
}

/// What is in the closures that the layer holds, also if it lies below.
fn held<'s>(
    spec: &LayerSpec,
    closure: &[PathInfo],
    named: &[&'s Path],
    mut through: Vec<&'s Path>,
) -> Result<Vec<PathInfo>, AssembleError> {
    let ignored = |path: &str| spec.ignore.iter().any(|ignored| ignored == Path::new(path));
    let (left_out, paths): (Vec<&Path>, Vec<&Path>) =
        named.iter().partition(|path| spec.ignore.iter().any(|ignored| ignored == **path));
    through.extend(left_out);
    let mut held = reached(closure, &paths, &through);
    held.retain(|info| !ignored(&info.path));
    for info in &held {
        if let Some(ignored) = info.references.iter().find(|path| ignored(path)) {
            let (path, ignored) = (info.path.clone(), ignored.clone());
            return Err(AssembleError::Ignored { path, ignored });
        }
    }
    Ok(held)
}

/// The store paths that lie below the layer, but for those that get other modes and owners in it.
fn below(spec: &LayerSpec, surroundings: &Surroundings) -> Result<Vec<PathBuf>, AssembleError> {
    let mut below = Vec::new();
    if let Some(base) = &spec.from_image {
        below.extend(
            base_layers(
                &base::open(&base.path, base.platform.as_ref(), surroundings.progress)
                    .map_err(AssembleError::FromImage)?,
            )
            .into_iter()
            .flat_map(|layer| layer.paths)
            .map(PathBuf::from),
        );
    }
    for layer in &spec.below {
        below.extend(RecordedLayer::read(layer)?.paths.into_iter().map(|path| PathBuf::from(path.path)));
    }
    let again = |path: &PathBuf| {
        spec.perms.iter().any(|rule| matches!(&rule.files, Files::Source { source, .. } if source == path))
    };
    below.retain(|path| !again(path));
    Ok(below)
}

/// Makes the layers of one element of `layers`.
struct Maker<'m> {
    spec: &'m LayerSpec,
    known: &'m HashMap<String, PathInfo>,
    surroundings: &'m Surroundings<'m>,
}

impl Maker<'_> {
    /// Makes the layer of these paths in `out`, byte for byte what `layering = "single"` makes of them, and, in the
    /// last one, of the copies; returns the globs that are about nothing in it.
    fn layer(&self, mut paths: Vec<String>, last: bool, out: &Path) -> Result<Vec<String>, AssembleError> {
        let Surroundings { store, threads, now, progress } = *self.surroundings;
        let spec = self.spec;
        let recorded: Vec<RecordedPath> = paths
            .iter()
            .filter_map(|path| self.known.get(path))
            .map(|info| RecordedPath {
                path: info.path.clone(),
                nar_hash: info.nar_hash.clone(),
                nar_size: info.nar_size,
                references: info.references.clone(),
            })
            .collect();
        let shared = Shared { mtime: spec.mtime.seconds(now), owner: spec.owner.clone() };
        let copies = Copies::new(spec, &mut paths, last, store)?;
        if paths.is_empty() && copies.is_empty() {
            RecordedLayer::new(None, Vec::new(), spec.history.clone()).write(out)?;
            return Ok(copies.unmatched);
        }
        let mut copied = Vec::new();
        let file = out.join("copies.tar");
        if !copies.is_empty() {
            let written = root::write_copies(&copies, &shared, &file, progress)?;
            copied.push(Piece::Tar(file.clone(), written.members));
        }
        let layer = match paths.is_empty() {
            true => Layer::of_members(copied, &shared),
            false => {
                let sizes = layer::measure(&paths, &shared, threads)?;
                Layer::of_store_paths(paths, &sizes, store, &shared, copied)
            }
        };
        let mut blob = BlobFile::create(&RecordedLayer::blob_path(out))?;
        let layers = [layer];
        let blobs = layer::write_layers(&layers, &shared, spec.compression, threads, &mut blob, progress)?;
        if !copies.is_empty() {
            fs::remove_file(&file).map_err(|e| LayerError::io(&file, e))?;
        }
        let blob = layers.iter().zip(blobs).next().map(|(layer, blob)| RecordedBlob {
            digest: blob.digest,
            size: blob.size,
            diff_id: blob.diff_id,
            uncompressed_size: layer.size,
            encoding: blob.encoding,
            codec: layer::codec(spec.compression),
        });
        RecordedLayer::new(blob, recorded, spec.history.clone()).write(out)?;
        Ok(copies.unmatched)
    }
}

/// Explicit layers that an image is made of.
#[derive(Default)]
pub(super) struct Explicit {
    /// Those that hold something, bottom first.
    pub layers: Vec<Layer>,
    /// What compressed them, each once.
    pub codecs: Vec<String>,
    /// The store paths in them.
    pub paths: Vec<RecordedPath>,
}

impl Explicit {
    /// Reads what the derivations of the layers made.
    pub(super) fn read(directories: &[PathBuf]) -> Result<Explicit, AssembleError> {
        let mut explicit = Explicit::default();
        for directory in directories {
            let recorded = RecordedLayer::read(directory)?;
            explicit.layers.extend(recorded.layer(directory)?);
            let codec = recorded.blob.and_then(|blob| blob.codec);
            explicit.codecs.extend(codec.filter(|codec| !explicit.codecs.contains(codec)));
            explicit.paths.extend(recorded.paths);
        }
        Ok(explicit)
    }

    /// Checks that the image has all that the layers need: each was made without what was to lie below it.
    /// `present` are the store paths below and above them.
    pub(super) fn check<'p>(
        paths: &[RecordedPath],
        present: impl Iterator<Item = &'p str>,
    ) -> Result<(), AssembleError> {
        if paths.is_empty() {
            return Ok(());
        }
        let mut present: HashSet<&str> = present.collect();
        present.extend(paths.iter().map(|path| &path.path[..]));
        for RecordedPath { path, references, .. } in paths {
            if let Some(missing) = references.iter().find(|reference| !present.contains(&reference[..])) {
                let (path, missing) = (path.clone(), missing.clone());
                return Err(AssembleError::NotBelow { path, missing });
            }
        }
        Ok(())
    }
}
