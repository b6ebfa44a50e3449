//! From a specification to an image: the one place that knows the order of the steps.
//!
//! ```text
//! closure graph ──> layering ──> measured layers ──> blobs in a format ──> documents
//! ```

mod explicit;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::base::{self, BaseError, Opened};
use crate::closure::graph::{Graph, GraphError, PathInfo};
use crate::closure::layering::{self, LayeringError};
use crate::image::index::{self, Member};
use crate::image::{self, Documents, ImageConfig, ImageError, LayerRecord, inherit};
use crate::layer::tar::Shared;

use crate::layer::{self, BlobSink, Encoding, Given, Layer, LayerError, Progress};
use crate::output::{Format, OutputError};
use crate::root::{Recorded, RootError};
use crate::spec::{Compression, ImageSpec, IndexSpec, Layering, Owner};

use explicit::Explicit;
pub use explicit::write_layer;

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The exported graph is not a closure.
    #[error("the closure: {0}")]
    Graph(#[from] GraphError),
    /// The store paths cannot be divided as asked.
    #[error(transparent)]
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
    /// The base image could not be read.
    #[error("fromImage: {0}")]
    Base(#[from] BaseError),
    /// The base image is for another machine.
    #[error(
        "fromImage is an image for {base}, and this one is for {image}; take the base for {image}, or set architecture (and os)"
    )]
    Platform {
        /// What the base is for.
        base: String,
        /// What the image is for.
        image: String,
    },
    /// A path whose closure a layer shall hold was not exported.
    #[error("paths: {} is not in the exported closure", .0.display())]
    NotInClosure(PathBuf),
    /// The base image and the explicit layers are too many.
    #[error(
        "{}, and maxLayers is {most}: at least {needed} are needed; 127 is the most", counted(*base, *explicit)
    )]
    TooManyLayers {
        /// The base's layers.
        base: usize,
        /// Explicit layers.
        explicit: usize,
        /// What the user allows.
        most: usize,
        /// What there must be.
        needed: usize,
    },
    /// No threads.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// Where the inputs are, and what the machine gives.
pub struct Surroundings<'s> {
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
    codec: Option<String>,
    surroundings: &'s Surroundings<'s>,
    config: Map<String, Value>,
    below: Option<ImageConfig>,
    shared: Shared,
    layers: Vec<Layer>,
}

impl<'s> Plan<'s> {
    /// Divides the closure into layers and measures them; reads metadata only. `root` is the directory that
    /// holds the root layer.
    pub fn new(
        spec: &'s ImageSpec,
        root: &Path,
        closure: Vec<PathInfo>,
        surroundings: &'s Surroundings<'s>,
    ) -> Result<Plan<'s>, AssembleError> {
        let recorded = Recorded::read(root)?;
        let base = spec.from_image.as_deref().map(|path| below(path, spec)).transpose()?;
        let mut layers = base.as_ref().map(base_layers).unwrap_or_default();
        let config = match &base {
            Some(base) => inherit::config(&base.config.config, &recorded.config, &spec.inherit_config)?,
            None => recorded.config.clone(),
        };

        let below = layers.len();
        let explicit = Explicit::read(&spec.layers)?;
        layers.extend(explicit.layers);

        // What lies below is not shipped again.
        let mut without: Vec<&Path> = vec![root];
        without.extend(spec.layers.iter().map(PathBuf::as_path));
        without.extend(layers.iter().flat_map(|layer| &layer.paths).map(Path::new));
        let graph = Graph::new(closure, &without)?;

        let available = spec.max_layers.checked_sub(layers.len()).filter(|&available| available > 0);
        let available = available.ok_or(AssembleError::TooManyLayers {
            base: below,
            explicit: layers.len() - below,
            most: spec.max_layers,
            needed: layers.len() + 1,
        })?;
        let shared = Shared { mtime: spec.mtime.seconds(surroundings.now), owner: spec.owner.clone() };
        layers.extend(own_layers(spec, root, &graph, &recorded, available, &shared, surroundings)?);
        let mut codecs: Vec<String> = layer::codec(spec.compression).into_iter().collect();
        codecs.extend(
            explicit
                .codecs
                .into_iter()
                .filter(|codec| layer::codec(spec.compression).as_ref() != Some(codec)),
        );
        let codec = (!codecs.is_empty()).then(|| codecs.join(", "));
        Ok(Plan { spec, codec, surroundings, config, below: base.map(|base| base.config), shared, layers })
    }

    /// Uncompressed bytes of all layers.
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// Makes the image in `format`.
    pub fn write(self, mut format: Box<dyn Format>) -> Result<(), AssembleError> {
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
        let documents =
            Documents::of_image(self.spec, self.config, self.below.as_ref(), &records, created, self.codec)?;
        Ok(format.finish(&documents)?)
    }
}

/// Makes an index of images in `format`, whose blobs travel as they are.
pub fn write_index(
    spec: &IndexSpec,
    threads: usize,
    progress: &dyn Progress,
    mut format: Box<dyn Format>,
) -> Result<(), AssembleError> {
    let images: Vec<Opened> =
        spec.images.iter().map(|path| base::open(path, None)).collect::<Result<_, _>>()?;
    let layers: Vec<Layer> = images.iter().flat_map(base_layers).collect();
    let mut records = write_given(&layers, threads, progress, format.as_mut())?.into_iter();
    let members = images.into_iter().map(|image| Member {
        layers: records.by_ref().take(image.layers.len()).collect(),
        manifest: image.manifest,
        config_document: image.config_document,
        config: image.config,
    });
    let documents = index::documents(spec, members.collect())?;
    Ok(format.finish(&documents)?)
}

/// Copies the image of a layout to `format`, as it is, under the name `name:tag`.
pub fn copy(
    layout: &Path,
    (name, tag): (&str, &str),
    threads: usize,
    progress: &dyn Progress,
    mut format: Box<dyn Format>,
) -> Result<(), AssembleError> {
    let image = base::open(layout, None)?;
    let records = write_given(&base_layers(&image), threads, progress, format.as_mut())?;
    let documents = Documents::copied(&image.config_document, image.manifest, &records, name, tag)?;
    Ok(format.finish(&documents)?)
}

/// Writes blobs that travel as they are.
fn write_given(
    layers: &[Layer],
    threads: usize,
    progress: &dyn Progress,
    sink: &mut dyn BlobSink,
) -> Result<Vec<LayerRecord>, AssembleError> {
    // Nothing is made, so nothing has an owner or a time.
    let owner = Owner { uid: 0, gid: 0, uname: String::new(), gname: String::new() };
    let shared = Shared { mtime: 0, owner };
    let blobs = layer::write_layers(layers, &shared, Compression::None, threads, sink, progress)?;
    let records =
        layers.iter().zip(blobs).map(|(layer, blob)| LayerRecord { blob, paths: layer.paths.clone() });
    Ok(records.collect())
}

/// The store layers, and the root layer, on top of the base's.
fn own_layers(
    spec: &ImageSpec,
    root: &Path,
    graph: &Graph,
    recorded: &Recorded,
    available: usize,
    shared: &Shared,
    surroundings: &Surroundings,
) -> Result<Vec<Layer>, AssembleError> {
    // With one layer for all, the root layer's members follow the store paths in it.
    let together = available == 1 && !graph.is_empty();
    let planned = match together {
        true => layering::plan(graph, &Layering::Single, 1, 0)?,
        false => layering::plan(graph, &spec.layering, (available - 1).max(1), spec.min_layer_size)?,
    };

    let pool = rayon::ThreadPoolBuilder::new().num_threads(surroundings.threads).build()?;
    let every_path: Vec<&String> = planned.iter().flatten().collect();
    let mut sizes = &pool.install(|| layer::measure(&every_path, shared))?[..];

    let root_tar = root.join("layer.tar");
    if together {
        // Its members become part of a layer with another digest, so this is checked before.
        layer::check_file(&root_tar, recorded.layer.digest)?;
    }
    let mut layers = Vec::with_capacity(planned.len() + 1);
    for paths in planned {
        let (own, rest) = sizes.split_at(paths.len());
        sizes = rest;
        let members = together.then_some((root_tar.as_path(), recorded.layer.members));
        layers.push(Layer::of_store_paths(paths, own, surroundings.store, shared, members));
    }
    if !together {
        layers.push(Layer::of_tar(&root_tar, recorded.layer.size, recorded.layer.digest));
    }
    Ok(layers)
}

/// What lies below the store layers, in words.
fn counted(base: usize, explicit: usize) -> String {
    match (base, explicit) {
        (base, 0) => format!("fromImage has {base} layers"),
        (0, explicit) => format!("there are {explicit} explicit layers"),
        (base, explicit) => format!("fromImage has {base} layers and there are {explicit} explicit ones"),
    }
}

/// The image below, if it is for the same machine.
fn below(path: &Path, spec: &ImageSpec) -> Result<Opened, AssembleError> {
    let base = base::open(path, Some(&spec.platform))?;
    let wanted = (&spec.platform.os, &spec.platform.architecture);
    match (&base.config.os, &base.config.architecture) == wanted {
        true => Ok(base),
        false => Err(AssembleError::Platform {
            base: format!("{}/{}", base.config.os, base.config.architecture),
            image: format!("{}/{}", wanted.0, wanted.1),
        }),
    }
}

/// The layers of a base image, as they are.
fn base_layers(base: &Opened) -> Vec<Layer> {
    let histories = image::layer_history(&base.config);
    let layers = base.layers.iter().zip(histories).map(|(layer, history)| {
        let given = Given { encoding: layer.encoding, diff_id: layer.diff_id, checked: false };
        let digest = match (layer.digest, layer.encoding) {
            // A plain blob's digest is its diff ID.
            (None, Encoding::Plain) => Some(layer.diff_id),
            (digest, _) => digest,
        };
        let paths = history.and_then(|entry| entry.store_paths()).unwrap_or_default();
        Layer::of_blob(layer.extent.clone(), digest, given, paths)
    });
    layers.collect()
}
