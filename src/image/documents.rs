//! The JSON documents as types, with their fields in the order in which they are written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ImageError, MAX_DOCUMENT};
use crate::digest::Digest;
use crate::layer::Encoding;

/// Media types (image-spec, media-types.md) and annotation keys.
pub mod media {
    /// An image manifest.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An image index.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// An image configuration.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A layer, not compressed.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// A layer, gzip.
    pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// A layer, Zstandard.
    pub const LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// Docker's manifest (distribution, manifest-v2-2.md).
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's index.
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker's configuration.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// Docker's layer, not compressed.
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
    /// Docker's layer, gzip.
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// Docker's layer, Zstandard.
    pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";
    /// Manifest annotation: compressor, version, level and chunk size, all that blob digests depend on
    /// besides the layers.
    pub const CODEC_ANNOTATION: &str = "dev.gantry.layer.codec";
}

/// Whether a media type is an image manifest's, OCI's or Docker's.
pub fn is_manifest(media_type: &str) -> bool {
    [media::MANIFEST, media::DOCKER_MANIFEST].contains(&media_type)
}

/// Whether a media type is an image index's, OCI's or Docker's.
pub fn is_index(media_type: &str) -> bool {
    [media::INDEX, media::DOCKER_INDEX].contains(&media_type)
}

/// OCI's media type of a layer.
pub fn layer_type(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Plain => media::LAYER,
        Encoding::Gzip => media::LAYER_GZIP,
        Encoding::Zstd => media::LAYER_ZSTD,
    }
}

/// The encoding of a layer by its media type, OCI's or Docker's; none of foreign, encrypted and unknown
/// ones.
pub fn layer_encoding(media_type: &str) -> Option<Encoding> {
    match media_type {
        media::LAYER | media::DOCKER_LAYER => Some(Encoding::Plain),
        media::LAYER_GZIP | media::DOCKER_LAYER_GZIP => Some(Encoding::Gzip),
        media::LAYER_ZSTD | media::DOCKER_LAYER_ZSTD => Some(Encoding::Zstd),
        _ => None,
    }
}

/// The bytes of a document, with their digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
}

impl Document {
    /// A document of these bytes.
    pub fn new(bytes: Vec<u8>) -> Document {
        let digest = Digest::of(&bytes);
        Document { bytes, digest }
    }

    /// A descriptor of it.
    pub fn descriptor(&self, media_type: &str) -> Descriptor {
        Descriptor::new(media_type, self.digest, self.bytes.len() as u64)
    }

    pub(super) fn check_size(&self, what: &'static str, remedy: &'static str) -> Result<(), ImageError> {
        match self.bytes.len() > MAX_DOCUMENT {
            true => Err(ImageError::TooLarge { what, size: self.bytes.len(), remedy }),
            false => Ok(()),
        }
    }
}

/// A pointer to a blob (image-spec, descriptor.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Of an image in an index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Anything.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor without platform or annotations.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.to_string(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// The platform of an image in an index (image-spec, image-index.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Platform {
    /// GOARCH.
    pub architecture: String,
    /// GOOS.
    pub os: String,
    /// `v7`, for example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// An image manifest (image-spec, manifest.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// [`media::MANIFEST`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, bottom first.
    pub layers: Vec<Descriptor>,
    /// Anything.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An image index (image-spec, image-index.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u32,
    /// [`media::INDEX`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The images.
    #[serde(deserialize_with = "null_as_default")]
    pub manifests: Vec<Descriptor>,
    /// Anything.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An image configuration (image-spec, config.md). Of what others write, `null` counts as left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// GOARCH.
    #[serde(default, deserialize_with = "null_as_default")]
    pub architecture: String,
    /// `v7`, for example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// GOOS.
    #[serde(default, deserialize_with = "null_as_default")]
    pub os: String,
    /// Entrypoint, environment and so on.
    #[serde(default, deserialize_with = "null_as_default")]
    pub config: Map<String, Value>,
    /// The layers' diff IDs.
    pub rootfs: RootFs,
    /// One entry a layer, and others.
    #[serde(default, deserialize_with = "null_as_default")]
    pub history: Vec<History>,
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The layers of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RootFs {
    /// `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Digests of the uncompressed layers, bottom first.
    #[serde(deserialize_with = "null_as_default")]
    pub diff_ids: Vec<Digest>,
}

/// Where a layer comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// The author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The store paths in the layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether no layer belongs to the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_layer: Option<bool>,
}

/// The `oci-layout` file (image-spec, image-layout.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// `1.0.0`.
    #[serde(rename = "imageLayoutVersion")]
    pub version: String,
}

/// An element of Docker's `manifest.json` (moby, image/spec/v1.2.md, "Combined Image JSON").
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DockerManifest {
    /// The configuration's path in the archive.
    pub config: String,
    /// `name:tag`.
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    /// The layers' paths in the archive, bottom first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub layers: Vec<String>,
}
