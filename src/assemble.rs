//! From a specification to an image: the one place that knows the order of the steps.
//!
//! ```text
//! closure graph ──> layering ──> measured layers ──> blobs in a format ──> documents
//! ```

use std::path::Path;

use crate::closure::graph::{Graph, GraphError, PathInfo};
use crate::closure::layering::{self, LayeringError};
use crate::image::{Image, ImageError, LayerRecord};
use crate::layer::tar::Shared;
use crate::layer::{self, Layer, LayerError, Progress};
use crate::output::{Format, OutputError};
use crate::root::{Recorded, RootError};
use crate::spec::{ImageSpec, Layering};

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The exported graph is not a closure.
    #[error("the closure: {0}")]
    Graph(#[from] GraphError),
    /// The store paths cannot be divided as asked.
    #[error("layering: {0}")]
    Layering(#[from] LayeringError),
    /// A layer could not be made.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The root layer could not be read.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The image cannot be described.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The image could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// No threads.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// Where the inputs are, and what the machine gives.
pub struct Surroundings<'s> {
    /// The directory that holds the root layer.
    pub root: &'s Path,
    /// The store directory, usually `/nix/store`.
    pub store: &'s Path,
    /// Threads to use; at least 1. Never changes a byte.
    pub threads: usize,
    /// What `"now"` means: seconds since 1970.
    pub now: i64,
    /// Told what goes on.
    pub progress: &'s dyn Progress,
}

/// An image whose layers are known, and not yet read.
pub struct Plan<'s> {
    spec: &'s ImageSpec,
    surroundings: &'s Surroundings<'s>,
    recorded: Recorded,
    shared: Shared,
    layers: Vec<Layer>,
}

impl<'s> Plan<'s> {
    /// Divides the closure into layers and measures them; reads metadata only.
    pub fn new(
        spec: &'s ImageSpec,
        closure: Vec<PathInfo>,
        surroundings: &'s Surroundings<'s>,
    ) -> Result<Plan<'s>, AssembleError> {
        let recorded = Recorded::read(surroundings.root)?;
        let graph = Graph::new(closure, &[surroundings.root])?;
        let shared = Shared { mtime: spec.mtime.seconds(surroundings.now), owner: spec.owner.clone() };
        // With one layer in all, the root layer's members follow the store paths in it.
        let together = spec.max_layers == 1 && !graph.is_empty();
        let planned = match together {
            true => layering::plan(&graph, &Layering::Single, 1, 0)?,
            false => layering::plan(
                &graph,
                &spec.layering,
                spec.max_layers.saturating_sub(1).max(1),
                spec.min_layer_size,
            )?,
        };

        let pool = rayon::ThreadPoolBuilder::new().num_threads(surroundings.threads).build()?;
        let every_path: Vec<&String> = planned.iter().flatten().collect();
        let mut sizes = &pool.install(|| layer::measure(&every_path, &shared))?[..];

        let root_tar = surroundings.root.join("layer.tar");
        let mut layers = Vec::with_capacity(planned.len() + 1);
        for paths in planned {
            let (own, rest) = sizes.split_at(paths.len());
            sizes = rest;
            let members = together.then_some((root_tar.as_path(), recorded.layer.members));
            layers.push(Layer::of_store_paths(paths, own, surroundings.store, &shared, members));
        }
        if !together {
            layers.push(Layer::of_tar(&root_tar, recorded.layer.size, recorded.layer.digest));
        }
        Ok(Plan { spec, surroundings, recorded, shared, layers })
    }

    /// Uncompressed bytes of all layers.
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// Makes the image in `format`.
    pub fn write(self, mut format: Box<dyn Format>) -> Result<Image, AssembleError> {
        let Surroundings { threads, now, progress, .. } = *self.surroundings;
        let blobs = layer::write_layers(
            &self.layers,
            &self.shared,
            self.spec.compression,
            threads,
            format.as_mut(),
            progress,
        )?;
        let records: Vec<LayerRecord> = self
            .layers
            .into_iter()
            .zip(blobs)
            .map(|(layer, blob)| LayerRecord { blob, paths: layer.paths })
            .collect();
        let created = self.spec.created.seconds(now);
        let codec = layer::codec(self.spec.compression);
        let image = Image::new(self.spec, self.recorded.config, &records, created, codec)?;
        format.finish(&image)?;
        Ok(image)
    }
}
