//! The layers that an image has of its own, above its base and the explicit ones: store paths with the bytes
//! that they take, so that a recipe can keep them, and the root layer.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{AssembleError, Surroundings};
use crate::closure::graph::Graph;
use crate::closure::layering;
use crate::layer::tar::Shared;
use crate::layer::{self, Layer};
use crate::root::Recorded;
use crate::spec::{ImageSpec, Layering};

/// The store layers, bottom first, and where the root layer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Planned {
    /// Store paths of each layer, with the bytes of their tar members.
    stores: Vec<Vec<(String, u64)>>,
    /// Whether the root layer's members are in the one store layer.
    together: bool,
}

impl Planned {
    /// Divides `graph` into layers, of which there may be `available` with the root layer, and measures them.
    pub(super) fn new(
        spec: &ImageSpec,
        graph: &Graph,
        available: usize,
        shared: &Shared,
        surroundings: &Surroundings,
    ) -> Result<Planned, AssembleError> {
        // With one layer for all, the root layer's members follow the store paths in it.
        let together = available == 1 && !graph.is_empty();
        let planned = match together {
            true => layering::plan(graph, &Layering::Single, 1, 0)?,
            false => layering::plan(graph, &spec.layering, (available - 1).max(1), spec.min_layer_size)?,
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(surroundings.threads).build()?;
        let every_path: Vec<&String> = planned.iter().flatten().collect();
        let mut sizes = pool.install(|| layer::measure(&every_path, shared))?.into_iter();
        let stores = planned.into_iter().map(|paths| paths.into_iter().zip(sizes.by_ref()).collect());
        Ok(Planned { stores: stores.collect(), together })
    }

    /// The layers. `root` is the directory that holds the root layer.
    pub(super) fn layers(
        &self,
        root: &Path,
        recorded: &Recorded,
        shared: &Shared,
        store: &Path,
    ) -> Result<Vec<Layer>, AssembleError> {
        let root_tar = root.join("layer.tar");
        if self.together {
            // Its members become part of a layer with another digest, so this is checked before.
            layer::check_file(&root_tar, recorded.layer.digest)?;
        }
        let mut layers = Vec::with_capacity(self.stores.len() + 1);
        for paths in &self.stores {
            let (paths, sizes): (Vec<String>, Vec<u64>) = paths.iter().cloned().unzip();
            let members = self.together.then_some((root_tar.as_path(), recorded.layer.members));
            layers.push(Layer::of_store_paths(paths, &sizes, store, shared, members));
        }
        if !self.together {
            layers.push(Layer::of_tar(&root_tar, recorded.layer.size, recorded.layer.digest));
        }
        Ok(layers)
    }
}
