//! From a specification to an image: the one place that knows the order of the steps.
//!
//! ```text
//! closure graph ──> layering ──> measured layers ──> blobs in a format ──> documents
//! ```

mod explicit;
mod merge;
mod planned;
mod recipe;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::{self, BaseError, Opened};
use crate::closure::graph::{Graph, GraphError, PathInfo};
use crate::closure::layering::LayeringError;
use crate::digest::Digest;
use crate::image::index::{self, Member};
use crate::image::{self, Documents, ImageConfig, ImageError, LayerRecord, inherit};
use crate::layer::tar::Shared;
use crate::layer::{self, Blob, BlobSink, Encoding, Given, Layer, LayerError, Progress, RecordedPath};
use crate::output::{Format, OutputError};
use crate::root::{Recorded, RootError};
use crate::spec::{ArgumentError, Compression, ImageSpec, IndexSpec, Owner};

use explicit::Explicit;
pub use explicit::write_layer;
pub use merge::merge;
use planned::Planned;
pub use recipe::{Recipe, RecipeError};

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The exported graph is not a closure.
    #[error("the closure: {0}")]
    Graph(#[from] GraphError),
    /// The store paths cannot be divided as asked.
    #[error(transparent)]
    Layering(#[from] LayeringError),
    /// The file of a pipeline is not one.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// The file of a pipeline could not be read.
    #[error("layering: {}: {source}; it has to be a JSON file of a pipeline", file.display())]
    Pipeline {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
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
    FromImage(BaseError),
    /// Another image could not be read.
    #[error(transparent)]
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
    /// What a layer leaves out is needed in it.
    #[error(
        "ignore: {path} refers to {ignored}, which would be missing; take it out of ignore, or {path} out of the layer"
    )]
    Ignored {
        /// What is in the layer.
        path: String,
        /// What it refers to.
        ignored: String,
    },
    /// An explicit layer was made on top of what the image does not have.
    #[error(
        "layers: {path} needs {missing}, which is in no layer: what was below the layer when it was made has to be below it in the image"
    )]
    NotBelow {
        /// What is in a layer.
        path: String,
        /// What it refers to.
        missing: String,
    },
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
    /// An image is made again, of other layers.
    #[error(
        "the image has {found} layers now, and had {expected} when it was built: the store has changed since"
    )]
    OtherLayers {
        /// As they are.
        found: usize,
        /// As recorded.
        expected: usize,
    },
    /// An image is made again, with another configuration.
    #[error(
        "the image's configuration is {found} now, and was {expected} when it was built: the store has changed since"
    )]
    OtherConfig {
        /// As it is.
        found: Digest,
        /// As recorded.
        expected: Digest,
    },
    /// Two images with one name in one archive.
    #[error("{name} is an image in {} and another one in {}; give one of them another tag", first.display(), second.display())]
    SameName {
        /// The name.
        name: String,
        /// Where it is.
        first: PathBuf,
        /// Where it is, too.
        second: PathBuf,
    },
    /// An image without layers is to be written again.
    #[error("{}: the image has no layers, and the image-spec demands at least one; build it on a layer", .0.display())]
    NoLayers(PathBuf),
}

/// What lies on top of all store paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Top {
    /// The directory that holds the root layer.
    pub root: PathBuf,
    /// The directory that holds the Nix database, if there is to be one.
    pub database: Option<PathBuf>,
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
    surroundings: &'s Surroundings<'s>,
    config: Map<String, Value>,
    below: Option<ImageConfig>,
    shared: Shared,
    codec: Option<String>,
    planned: Planned,
    layers: Vec<Layer>,
    /// The configuration's digest, if it is known.
    expected: Option<Digest>,
}

impl<'s> Plan<'s> {
    /// Divides the closure into layers and measures them; reads metadata only.
    pub fn new(
        spec: &'s ImageSpec,
        top: &Top,
        closure: Vec<PathInfo>,
        surroundings: &'s Surroundings<'s>,
    ) -> Result<Plan<'s>, AssembleError> {
        let shared = Shared { mtime: spec.mtime.seconds(surroundings.now), owner: spec.owner.clone() };
        let below = Below::read(spec, surroundings.progress)?;

        // A closure is also exported to be described in a Nix database.
        let closure = if spec.include_store_paths { closure } else { Vec::new() };
        // What lies below is not shipped again.
        let mut without: Vec<&Path> = vec![&top.root];
        without.extend(spec.layers.iter().map(PathBuf::as_path));
        without.extend(below.layers.iter().flat_map(|layer| &layer.paths).map(Path::new));
        let graph = Graph::new(closure, &without)?;

        let available = spec.max_layers.checked_sub(below.layers.len()).filter(|&available| available > 0);
        let of_base = below.config.as_ref().map_or(0, |config| config.rootfs.diff_ids.len());
        let available = available.ok_or(AssembleError::TooManyLayers {
            base: of_base,
            explicit: below.layers.len() - of_base,
            most: spec.max_layers,
            needed: below.layers.len() + 1,
        })?;
        let graph_paths = (0..graph.len()).map(|node| graph.path(node));
        let below_paths = below.layers.iter().flat_map(|layer| &layer.paths).map(String::as_str);
        Explicit::check(&below.explicit, below_paths.chain(graph_paths))?;
        let planned = Planned::new(spec, &graph, available, &shared, surroundings)?;
        Plan::with(spec, top, below, shared, planned, surroundings)
    }

    /// The same image again: what was planned is known.
    fn of_recipe(
        spec: &'s ImageSpec,
        top: &Top,
        mtime: i64,
        planned: Planned,
        expected: Option<Digest>,
        surroundings: &'s Surroundings<'s>,
    ) -> Result<Plan<'s>, AssembleError> {
        let shared = Shared { mtime, owner: spec.owner.clone() };
        let mut below = Below::read(spec, surroundings.progress)?;
        for given in below.layers.iter_mut().filter_map(|layer| layer.given.as_mut()) {
            given.checked = true; // when the recipe was made, and the blobs' digests are in it
        }
        Ok(Plan { expected, ..Plan::with(spec, top, below, shared, planned, surroundings)? })
    }

    fn with(
        spec: &'s ImageSpec,
        top: &Top,
        below: Below,
        shared: Shared,
        planned: Planned,
        surroundings: &'s Surroundings<'s>,
    ) -> Result<Plan<'s>, AssembleError> {
        let recorded = Recorded::read(&top.root)?;
        let mut layers = below.layers;
        layers.extend(planned.layers(top, &recorded, &shared, surroundings.store)?);
        let config = match &below.config {
            Some(base) => inherit::config(&base.config, &recorded.config, &spec.inherit_config),
            None => recorded.config,
        };
        let own = layer::codec(spec.compression);
        let mut codecs: Vec<String> = own.iter().cloned().collect();
        codecs.extend(below.codecs.into_iter().filter(|codec| own.as_ref() != Some(codec)));
        let codec = (!codecs.is_empty()).then(|| codecs.join(", "));
        let below = below.config;
        Ok(Plan { spec, surroundings, config, below, shared, codec, planned, layers, expected: None })
    }

    /// Uncompressed bytes of all layers.
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// Makes the image in `format`.
    pub fn write(self, mut format: Box<dyn Format + '_>) -> Result<(), AssembleError> {
        let Surroundings { threads, progress, .. } = *self.surroundings;
        let (shared, compression) = (&self.shared, self.spec.compression);
        let blobs =
            layer::write_layers(&self.layers, shared, compression, threads, format.as_mut(), progress)?;
        Ok(format.finish(&self.documents(&blobs)?)?)
    }

    /// The documents of the image whose layers gave `blobs`.
    fn documents(self, blobs: &[Blob]) -> Result<Documents, AssembleError> {
        let layers = self.layers.into_iter().zip(blobs);
        let records: Vec<LayerRecord> = layers
            .map(|(layer, &blob)| LayerRecord { blob, paths: layer.paths, history: layer.history })
            .collect();
        let created = self.spec.created.seconds(self.surroundings.now);
        let documents =
            Documents::of_image(self.spec, self.config, self.below.as_ref(), &records, created, self.codec)?;
        let found = documents.blobs.first().map(|config| config.digest);
        match (found, self.expected) {
            (Some(found), Some(expected)) if found != expected => {
                Err(AssembleError::OtherConfig { found, expected })
            }
            _ => Ok(documents),
        }
    }
}

/// What lies below the store layers: the base's layers, then explicit ones.
struct Below {
    config: Option<ImageConfig>,
    layers: Vec<Layer>,
    codecs: Vec<String>,
    /// Store paths of the explicit layers.
    explicit: Vec<RecordedPath>,
}

impl Below {
    fn read(spec: &ImageSpec, progress: &dyn Progress) -> Result<Below, AssembleError> {
        let base = spec.from_image.as_deref().map(|path| below(path, spec, progress)).transpose()?;
        let mut layers = base.as_ref().map(base_layers).unwrap_or_default();
        let mut explicit = Explicit::read(&spec.layers)?;
        layers.append(&mut explicit.layers);
        let Explicit { codecs, paths, .. } = explicit;
        Ok(Below { config: base.map(|base| base.config), layers, codecs, explicit: paths })
    }
}

/// Makes an index of images in `format`, whose blobs travel as they are.
pub fn write_index(
    spec: &IndexSpec,
    threads: usize,
    progress: &dyn Progress,
    mut format: Box<dyn Format + '_>,
) -> Result<(), AssembleError> {
    let images: Vec<Opened> = spec
        .images
        .iter()
        .map(|path| with_layers(path, base::open(path, None, progress)?))
        .collect::<Result<_, _>>()?;
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

/// Refuses an image without layers, which image-spec's schema of manifests does not allow: what is written would be
/// refused elsewhere.
fn with_layers(path: &Path, image: Opened) -> Result<Opened, AssembleError> {
    match image.layers.is_empty() {
        true => Err(AssembleError::NoLayers(path.to_path_buf())),
        false => Ok(image),
    }
}

/// Copies the image of a layout to `format`, as it is, under the name `name:tag`.
pub fn copy(
    layout: &Path,
    (name, tag): (&str, &str),
    threads: usize,
    progress: &dyn Progress,
    mut format: Box<dyn Format + '_>,
) -> Result<(), AssembleError> {
    let image = base::open(layout, None, progress)?;
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
    let records = layers.iter().zip(blobs).map(|(layer, blob)| LayerRecord {
        blob,
        paths: layer.paths.clone(),
        history: layer.history.clone(),
    });
    Ok(records.collect())
}

/// What lies below the store layers, in words.
fn counted(base: usize, explicit: usize) -> String {
    match explicit {
        0 => format!("fromImage has {base} layers"),
        _ => format!("fromImage has {base} layers and there are {explicit} explicit ones"),
    }
}

/// A platform, in words.
fn platform(os: &str, architecture: &str) -> String {
    let known =
        |name: &str, what: &str| if name.is_empty() { format!("(no {what})") } else { name.to_owned() };
    format!("{}/{}", known(os, "os"), known(architecture, "architecture"))
}

/// The image below, if it is for the same machine.
fn below(path: &Path, spec: &ImageSpec, progress: &dyn Progress) -> Result<Opened, AssembleError> {
    let base = base::open(path, Some(&spec.platform), progress).map_err(AssembleError::FromImage)?;
    let wanted = (&spec.platform.os, &spec.platform.architecture);
    match (&base.config.os, &base.config.architecture) == wanted {
        true => Ok(base),
        false => Err(AssembleError::Platform {
            base: platform(&base.config.os, &base.config.architecture),
            image: platform(wanted.0, wanted.1),
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
