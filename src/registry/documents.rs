//! Manifests and indexes as they come from the network: every way in which two readers could read them
//! differently is refused (CVE-2021-41190), and so is what is out of all proportion.

use std::collections::BTreeMap;

use super::RegistryError;
use crate::image::received::{self, Received};
use crate::image::{Descriptor, Manifest, Platform, media};

/// Docker's media types for what OCI has, too (distribution, manifest-v2-2.md).
pub(super) mod docker {
    pub const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    pub const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
}

/// Types of layers that are tars: OCI's, Docker's, and those that were not to be distributed.
const LAYERS: [&str; 10] = [
    media::LAYER,
    media::LAYER_GZIP,
    media::LAYER_ZSTD,
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

/// A document that names others.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Document {
    Manifest(Box<Manifest>),
    Index(Vec<Offer>),
}

/// An entry of an index.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offer {
    pub descriptor: Descriptor,
    pub platform: Option<OfferedPlatform>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct OfferedPlatform {
    pub architecture: String,
    pub os: String,
    pub variant: Option<String>,
}

impl Offer {
    pub fn is_index(&self) -> bool {
        is_index(&self.descriptor.media_type)
    }
}

fn is_index(media_type: &str) -> bool {
    matches!(media_type, media::INDEX | docker::LIST)
}

/// Reads a manifest or an index that was sent as `content_type`; its media type, too.
pub(super) fn parse(
    bytes: &[u8],
    content_type: Option<&str>,
    object: &str,
) -> Result<(String, Document), RegistryError> {
    let refuse = |what: String| RegistryError::document(object, what);
    let sent =
        content_type.map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    // What servers say that do not know.
    let known = |text: &String| {
        !matches!(text.as_str(), "" | "text/plain" | "application/octet-stream" | "application/json")
    };
    let sent = sent.filter(known);
    let schema_1 = "it is an image of schema 1, which is not supported: push it again with a newer Docker";
    if sent
        .as_deref()
        .is_some_and(|sent| sent.starts_with("application/vnd.docker.distribution.manifest.v1+"))
    {
        return Err(refuse(schema_1.to_string()));
    }
    let (media_type, received) = received::document(bytes, sent.as_deref()).map_err(refuse)?;
    let document = match received {
        Received::Manifest(manifest) => {
            Document::Manifest(Box::new(Manifest { media_type: Some(media_type.clone()), ..manifest }))
        }
        Received::Index(index) => {
            let offer = |mut descriptor: Descriptor| {
                let platform = descriptor.platform.take();
                let platform = platform.map(|Platform { architecture, os, variant }| OfferedPlatform {
                    architecture,
                    os,
                    variant,
                });
                Offer { descriptor, platform }
            };
            Document::Index(index.manifests.into_iter().map(offer).collect())
        }
    };
    Ok((media_type, document))
}

/// Refuses manifests of other things than images: Helm charts, signatures, attestations.
pub(super) fn check_image(manifest: &Manifest, object: &str) -> Result<(), RegistryError> {
    let refuse = |what: String| Err(RegistryError::document(object, what));
    if !matches!(manifest.config.media_type.as_str(), media::CONFIG | docker::CONFIG) {
        return refuse(format!(
            "it is not an image: its configuration is a {:?}",
            manifest.config.media_type
        ));
    }
    let mut sizes = BTreeMap::from([(manifest.config.digest, manifest.config.size)]);
    for layer in &manifest.layers {
        if !LAYERS.contains(&layer.media_type.as_str()) {
            return refuse(format!("it has a layer of the unknown type {:?}", layer.media_type));
        }
        let size = *sizes.entry(layer.digest).or_insert(layer.size);
        if size != layer.size {
            return refuse(format!("it says {size} bytes of {}, and elsewhere {}", layer.digest, layer.size));
        }
    }
    Ok(())
}

/// Refuses a configuration that `docker load` and the rest of Gantry would: without one diff ID for each layer.
pub(super) fn check_config(bytes: &[u8], layers: usize, object: &str) -> Result<(), RegistryError> {
    let refuse = |what: String| RegistryError::document(object, what);
    let config = received::config(bytes).map_err(refuse)?;
    let count = config.rootfs.diff_ids.len();
    match count == layers {
        true => Ok(()),
        false => Err(refuse(format!("it has {count} diff_ids, and the manifest {layers} layers"))),
    }
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
