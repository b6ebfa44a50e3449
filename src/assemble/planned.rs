//! The layers that an image has of its own, above its base and the explicit ones: store paths with the bytes
//! that they take, so that a recipe can keep them, and the root layer.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{AssembleError, Surroundings, Top};
use crate::closure::graph::Graph;
use crate::closure::layering;
use crate::layer::tar::{self, Entry, Kind, Shared};
use crate::layer::{self, Layer, LayerError, Piece};
use crate::root::{Recorded, database};
use crate::spec::{ImageSpec, Layering, LayeringSource};

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
            false => {
                let plan =
                    |layering| layering::plan(graph, layering, (available - 1).max(1), spec.min_layer_size);
                match &spec.layering {
                    LayeringSource::Given(layering) => plan(layering)?,
                    LayeringSource::File(file) => {
                        let unread = |source| AssembleError::Pipeline { file: file.clone(), source };
                        let pipeline = Layering::from_file(file, &fs::read(file).map_err(unread)?)?;
                        plan(&pipeline).map_err(|e| e.in_file(file))?
                    }
                }
            }
        };
        let every_path: Vec<&String> = planned.iter().flatten().collect();
        let mut sizes = layer::measure(&every_path, shared, surroundings.threads)?.into_iter();
        let stores = planned.into_iter().map(|paths| paths.into_iter().zip(sizes.by_ref()).collect());
        Ok(Planned { stores: stores.collect(), together })
    }

    /// The layers, with `top` in the last one.
    pub(super) fn layers(
        &self,
        top: &Top,
        recorded: &Recorded,
        shared: &Shared,
        store: &Path,
    ) -> Result<Vec<Layer>, AssembleError> {
        let root_tar = top.root.join("layer.tar");
        let database = self.database(top, recorded, shared)?;
        if self.together || !database.is_empty() {
            // Its members become part of a layer with another digest, so this is checked before.
            layer::check_file(&root_tar, recorded.layer.digest)?;
        }
        let mut members = vec![Piece::Tar(root_tar.clone(), recorded.layer.members)];
        members.extend(database);
        let mut layers = Vec::with_capacity(self.stores.len() + 1);
        for paths in &self.stores {
            let (paths, sizes): (Vec<String>, Vec<u64>) = paths.iter().cloned().unzip();
            let members = if self.together { members.clone() } else { Vec::new() };
            layers.push(Layer::of_store_paths(paths, &sizes, store, shared, members));
        }
        match members.len() {
            _ if self.together => {}
            1 => layers.push(Layer::of_tar(&root_tar, recorded.layer.size, recorded.layer.digest)),
            _ => layers.push(Layer::of_members(members, shared)),
        }
        Ok(layers)
    }

    /// The Nix database, and what goes with it, as members of the root layer; nothing if there is to be none.
    fn database(&self, top: &Top, recorded: &Recorded, shared: &Shared) -> Result<Vec<Piece>, AssembleError> {
        let (Some(directory), Some(owner)) = (&top.database, &recorded.database) else {
            return Ok(Vec::new());
        };
        let io = |e| LayerError::io(directory, e);
        let mut names = Vec::new();
        for entry in fs::read_dir(directory).map_err(io)? {
            names.push(entry.map_err(io)?.file_name());
        }
        names.sort();
        let shared = Shared { mtime: shared.mtime, owner: owner.clone() };
        let mut pieces = Vec::new();
        for name in names {
            let path = directory.join(&name);
            let size = fs::metadata(&path).map_err(|e| LayerError::io(&path, e))?.len();
            let member = Path::new(database::DIRECTORY).join(&name);
            let member = [b".", member.as_os_str().as_encoded_bytes()].concat();
            let mut header = Vec::new();
            shared.header(&Entry { name: &member, mode: 0o644, kind: Kind::File(size) }, &mut header);
            let content = [Piece::Tar(path, size), Piece::Zeros(tar::padding(size))];
            pieces.push(Piece::Bytes(header.into()));
            pieces.extend(content);
        }
        Ok(pieces)
    }
}
