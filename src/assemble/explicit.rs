//! Explicit layers: each made by a derivation of its own from the closure of some paths, less what lies
//! below, and put into images as it is.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::{AssembleError, Surroundings, base_layers};
use crate::base;
use crate::closure::graph::{Graph, PathInfo};
use crate::closure::layering;
use crate::layer::tar::Shared;
use crate::layer::{self, Layer, RecordedBlob, RecordedLayer, RecordedPath};
use crate::output::BlobFile;
use crate::spec::{LayerSpec, Layering};

/// Makes the layer that `spec` asks for, of the paths in `closure`, in the new directory `out`.
pub fn write_layer(
    spec: &LayerSpec,
    closure: Vec<PathInfo>,
    out: &Path,
    surroundings: &Surroundings,
) -> Result<RecordedLayer, AssembleError> {
    let known: HashMap<String, PathInfo> =
        closure.iter().map(|info| (info.path.clone(), info.clone())).collect();
    for path in &spec.paths {
        // An argument may be a path below a store path.
        if !path.ancestors().any(|path| path.to_str().is_some_and(|path| known.contains_key(path))) {
            return Err(AssembleError::NotInClosure(path.clone()));
        }
    }
    let mut below = Vec::new();
    if let Some(base) = &spec.from_image {
        below.extend(
            base_layers(
                &base::open(&base.path, base.platform.as_ref(), surroundings.progress)
                    .map_err(AssembleError::FromImage)?,
            )
            .into_iter()
            .flat_map(|layer| layer.paths),
        );
    }
    for layer in &spec.below {
        below.extend(RecordedLayer::read(layer)?.paths.into_iter().map(|path| path.path));
    }
    let without: Vec<&Path> = below.iter().map(Path::new).collect();
    let graph = Graph::new(closure, &without)?;
    let recorded = match graph.is_empty() {
        true => RecordedLayer::new(None, Vec::new()),
        false => of_closure(spec, &graph, &known, out, surroundings)?,
    };
    recorded.write(out)?;
    Ok(recorded)
}

/// The layer of all paths in `graph`: byte for byte what `layering = "single"` makes of them.
fn of_closure(
    spec: &LayerSpec,
    graph: &Graph,
    known: &HashMap<String, PathInfo>,
    out: &Path,
    surroundings: &Surroundings,
) -> Result<RecordedLayer, AssembleError> {
    let Surroundings { store, threads, now, progress } = *surroundings;
    let shared = Shared { mtime: spec.mtime.seconds(now), owner: spec.owner.clone() };
    let paths: Vec<String> = layering::plan(graph, &Layering::Single, 1, 0)?.into_iter().flatten().collect();
    let sizes = layer::measure(&paths, &shared, threads)?;
    let recorded = paths
        .iter()
        .filter_map(|path| known.get(path))
        .map(|info| RecordedPath {
            path: info.path.clone(),
            nar_hash: info.nar_hash.clone(),
            nar_size: info.nar_size,
            references: info.references.clone(),
        })
        .collect();
    let layers = [Layer::of_store_paths(paths, &sizes, store, &shared, Vec::new())];
    let mut file = BlobFile::create(&RecordedLayer::blob_path(out))?;
    let blobs = layer::write_layers(&layers, &shared, spec.compression, threads, &mut file, progress)?;
    let blob = layers.iter().zip(blobs).next().map(|(layer, blob)| RecordedBlob {
        digest: blob.digest,
        size: blob.size,
        diff_id: blob.diff_id,
        uncompressed_size: layer.size,
        encoding: blob.encoding,
        codec: layer::codec(spec.compression),
    });
    Ok(RecordedLayer::new(blob, recorded))
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
