//! Several images in one archive: an entry of `index.json` for each name, and one of Docker's
//! `manifest.json` for each image.

use super::documents::Platform;
use super::index::{Member, Written};
use super::{Descriptor, DockerManifest, Documents, ImageError, Index, blob_path, familiar_to_docker, media};

/// An image with its names.
#[derive(Debug, Clone)]
pub struct Named {
    /// `NAME:TAG` as its archive had it; from a layout also less than that.
    pub names: Vec<String>,
    /// The image.
    pub member: Member,
}

/// Whether `name` has a tag: what has none is the name of an entry in a layout, and nothing to Docker.
pub fn is_tagged(name: &str) -> bool {
    name.rsplit_once(':').is_some_and(|(_, tag)| !tag.contains('/'))
}

/// The documents of an archive of `images`.
pub fn documents(images: Vec<Named>) -> Result<Documents, ImageError> {
    let mut blobs = Vec::new();
    let mut manifests = Vec::new();
    let mut docker = Vec::new();
    for Named { names, member } in images {
        let Written { media_type, manifest, config } =
            Written::of(member.manifest, member.config_document, &member.layers)?;
        let mut descriptor = manifest.descriptor(&media_type);
        descriptor.platform = Some(Platform {
            architecture: member.config.architecture,
            os: member.config.os,
            variant: member.config.variant,
        });
        manifests.extend(names.iter().map(|name| named(&descriptor, name)));
        if names.is_empty() {
            manifests.push(descriptor);
        }
        let tags: Vec<String> = names.into_iter().filter(|name| is_tagged(name)).collect();
        docker.push(DockerManifest {
            config: blob_path(config.digest),
            repo_tags: (!tags.is_empty()).then_some(tags),
            layers: member.layers.iter().map(|layer| blob_path(layer.blob.digest)).collect(),
        });
        blobs.extend([config, manifest]);
    }
    let index = Index {
        schema_version: 2,
        media_type: Some(media::INDEX.to_string()),
        manifests,
        annotations: Default::default(),
    };
    Ok(Documents { blobs, index: serde_json::to_vec(&index)?, docker_manifest: serde_json::to_vec(&docker)? })
}

/// An entry under one of an image's names. Tags alone would not tell the images apart, so the annotation that
/// holds the tag elsewhere holds the whole name here: `oci-archive:FILE:NAME:TAG` for skopeo.
fn named(descriptor: &Descriptor, name: &str) -> Descriptor {
    let mut entry = descriptor.clone();
    if is_tagged(name) {
        entry.annotations.insert("io.containerd.image.name".to_string(), familiar_to_docker(name));
    }
    entry.annotations.insert("org.opencontainers.image.ref.name".to_string(), name.to_string());
    entry
}
