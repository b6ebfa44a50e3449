//! The documents of an image: configuration, manifest, index (OCI image-spec 1.1) and Docker's
//! `manifest.json`. Bytes in, bytes out: knows nothing of files.

mod documents;
mod history;
pub mod index;
pub mod inherit;
pub mod merged;
pub mod platform;
pub mod received;
mod reference;

pub use documents::{
    Descriptor, DockerManifest, Document, History, ImageConfig, Index, Layout, Manifest, Platform, RootFs,
    is_index, is_manifest, layer_encoding, layer_type, media,
};
pub use history::{comment, layer_history, store_paths};
pub use reference::{familiar_to_docker, short_for_docker};

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::digest::Digest;
use crate::layer::Blob;
use crate::spec::ImageSpec;
use crate::spec::LayerHistory;

/// Clients read no manifest or configuration over this many bytes (containers/image, `iolimits`).
pub const MAX_DOCUMENT: usize = 4 << 20;

/// The documents of a layout or an archive: everything but the layers' blobs.
#[derive(Debug, Clone)]
pub struct Documents {
    /// Those that are blobs: configurations, manifests, indexes.
    pub blobs: Vec<Document>,
    /// `index.json`.
    pub index: Vec<u8>,
    /// Docker's `manifest.json`, for an archive that keeps blobs under `blobs/sha256/`.
    pub docker_manifest: Vec<u8>,
}

/// Why an image cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Too large for clients.
    #[error("the image's {what} has {size} bytes, and clients read at most {MAX_DOCUMENT}: {remedy}")]
    TooLarge {
        /// Configuration or manifest.
        what: &'static str,
        /// Bytes.
        size: usize,
        /// What to do.
        remedy: &'static str,
    },
    /// A document of another image that cannot be written.
    #[error("{0}")]
    Document(String),
    /// A timestamp that RFC 3339 cannot say.
    #[error("created: {0} seconds since 1970 is no date from year 1 to 9999")]
    Created(i64),
    /// Two images of an index are for one platform.
    #[error("manifests: two images are for {0}; an index has one for each platform")]
    SamePlatform(String),
    /// serde_json refused.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A layer as the documents see it.
#[derive(Debug, Clone)]
pub struct LayerRecord {
    /// What was written.
    pub blob: Blob,
    /// The store paths in it, for the history.
    pub paths: Vec<String>,
    /// What the history says instead.
    pub history: LayerHistory,
}

impl Documents {
    /// Those of the image that `spec` and `config` (the configuration's `config` object) ask for, of these
    /// layers, bottom first, the first ones being those of the image `below`, if there is one. `created`
    /// is in seconds since 1970; `codec` says what compressed the blobs.
    pub fn of_image(
        spec: &ImageSpec,
        config: Map<String, Value>,
        below: Option<&ImageConfig>,
        layers: &[LayerRecord],
        created: i64,
        codec: Option<String>,
    ) -> Result<Documents, ImageError> {
        let created = rfc3339(created)?;
        let mut history = below.map(history::inherited).unwrap_or_default();
        let own = &layers[below.map_or(0, |below| below.rootfs.diff_ids.len())..];
        history.extend(own.iter().map(|layer| History {
            created: Some(created.clone()),
            created_by: Some(layer.history.created_by.clone().unwrap_or_else(|| "gantry".to_string())),
            author: layer.history.author.clone(),
            comment: Some(layer.history.comment.clone().unwrap_or_else(|| comment(&layer.paths))),
            empty_layer: None,
        }));
        let image_config = ImageConfig {
            created: Some(created.clone()),
            architecture: spec.platform.architecture.clone(),
            variant: spec.platform.variant.clone(),
            os: spec.platform.os.clone(),
            config,
            rootfs: RootFs {
                kind: "layers".to_string(),
                diff_ids: layers.iter().map(|layer| layer.blob.diff_id).collect(),
            },
            history,
        };
        let config = Document::new(serde_json::to_vec(&image_config)?);
        config.check_size("configuration", "make config smaller, or the closure")?;

        let mut annotations = spec.annotations.clone();
        if let Some(codec) = codec {
            annotations.entry(media::CODEC_ANNOTATION.to_string()).or_insert(codec);
        }
        let manifest = Document::new(serde_json::to_vec(&Manifest {
            schema_version: 2,
            media_type: Some(media::MANIFEST.to_string()),
            config: config.descriptor(media::CONFIG),
            layers: layers
                .iter()
                .map(|layer| {
                    Descriptor::new(layer_type(layer.blob.encoding), layer.blob.digest, layer.blob.size)
                })
                .collect(),
            annotations,
        })?);
        manifest.check_size("manifest", "make annotations smaller")?;

        let mut descriptor = manifest.descriptor(media::MANIFEST);
        descriptor.platform = Some(documents::Platform {
            architecture: spec.platform.architecture.clone(),
            os: spec.platform.os.clone(),
            variant: spec.platform.variant.clone(),
        });
        let index = layout_index(&spec.name, &spec.tag, descriptor)?;
        let docker_manifest = serde_json::to_vec(&[DockerManifest {
            config: blob_path(config.digest),
            repo_tags: Some(vec![format!("{}:{}", spec.name, spec.tag)]),
            layers: layers.iter().map(|layer| blob_path(layer.blob.digest)).collect(),
        }])?;
        Ok(Documents { blobs: vec![config, manifest], index, docker_manifest })
    }
}

impl Documents {
    /// Those of a copy, called `name:tag`, of the image with this configuration and manifest.
    pub fn copied(
        config: &Document,
        manifest: Option<(Descriptor, Document)>,
        layers: &[LayerRecord],
        name: &str,
        tag: &str,
    ) -> Result<Documents, ImageError> {
        let (media_type, manifest) = match manifest {
            Some((descriptor, document)) => (descriptor.media_type, document),
            None => (media::MANIFEST.to_string(), index::manifest(config, layers)?),
        };
        let docker_manifest = serde_json::to_vec(&[DockerManifest {
            config: blob_path(config.digest),
            repo_tags: Some(vec![format!("{name}:{tag}")]),
            layers: layers.iter().map(|layer| blob_path(layer.blob.digest)).collect(),
        }])?;
        let index = layout_index(name, tag, manifest.descriptor(&media_type))?;
        Ok(Documents { blobs: vec![config.clone(), manifest], index, docker_manifest })
    }
}

/// Where a blob lies in a layout, and in an archive of one (image-spec, image-layout.md, "Blobs").
pub fn blob_path(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The `index.json` of a layout that holds one image, or one index, called `name:tag`.
pub fn layout_index(name: &str, tag: &str, descriptor: Descriptor) -> Result<Vec<u8>, ImageError> {
    let annotations = naming(name, tag);
    Ok(serde_json::to_vec(&Index {
        schema_version: 2,
        media_type: Some(media::INDEX.to_string()),
        manifests: vec![Descriptor { annotations, ..descriptor }],
        annotations: BTreeMap::new(),
    })?)
}

/// The annotations that name an entry of `index.json`: what containerd and Docker 25 write, the full name
/// for containerd and the tag for everybody else.
fn naming(name: &str, tag: &str) -> BTreeMap<String, String> {
    let full = format!("{}:{tag}", familiar_to_docker(name));
    BTreeMap::from([
        ("io.containerd.image.name".to_string(), full),
        ("org.opencontainers.image.ref.name".to_string(), tag.to_string()),
    ])
}

fn rfc3339(seconds: i64) -> Result<String, ImageError> {
    time::OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok())
        .ok_or(ImageError::Created(seconds))
}
