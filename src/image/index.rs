//! An index of images for several platforms (image-spec, image-index.md).

use super::documents::Platform;
use super::{
    Descriptor, DockerManifest, Document, Documents, ImageConfig, ImageError, Index, LayerRecord, Manifest,
    blob_path, layer_type, layout_index, media, received,
};
use crate::spec::IndexSpec;

/// An image that goes into an index, with its layers written.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its manifest; one is made for an image that had none.
    pub manifest: Option<(Descriptor, Document)>,
    /// Its configuration, byte for byte.
    pub config_document: Document,
    /// Its configuration.
    pub config: ImageConfig,
    /// Its layers, bottom first.
    pub layers: Vec<LayerRecord>,
}

/// The documents of an index of `members`.
pub fn documents(spec: &IndexSpec, members: Vec<Member>) -> Result<Documents, ImageError> {
    let mut blobs = Vec::new();
    let mut manifests: Vec<Descriptor> = Vec::new();
    let mut docker = Vec::new();
    for member in members {
        let platform = Platform {
            architecture: member.config.architecture.clone(),
            os: member.config.os.clone(),
            variant: member.config.variant.clone(),
        };
        if manifests.iter().any(|other| other.platform.as_ref() == Some(&platform)) {
            let variant = platform.variant.map(|variant| format!("/{variant}")).unwrap_or_default();
            let platform = format!("{}/{}{variant}", platform.os, platform.architecture);
            return Err(ImageError::SamePlatform(platform));
        }
        let Written { media_type, manifest, config } =
            Written::of(member.manifest, member.config_document, &member.layers)?;
        docker.push(DockerManifest {
            config: blob_path(config.digest),
            // A name means one image to Docker: the first.
            repo_tags: docker.is_empty().then(|| vec![format!("{}:{}", spec.name, spec.tag)]),
            layers: member.layers.iter().map(|layer| blob_path(layer.blob.digest)).collect(),
        });
        manifests.push(Descriptor { platform: Some(platform), ..manifest.descriptor(&media_type) });
        blobs.extend([config, manifest]);
    }
    let index = Document::new(serde_json::to_vec(&Index {
        schema_version: 2,
        media_type: Some(media::INDEX.to_string()),
        manifests,
        annotations: spec.annotations.clone(),
    })?);
    index.check_size("index", "make annotations smaller")?;
    let layout = layout_index(&spec.name, &spec.tag, index.descriptor(media::INDEX))?;
    blobs.push(index);
    Ok(Documents { blobs, index: layout, docker_manifest: serde_json::to_vec(&docker)? })
}

/// The documents of an image that goes into an index or an archive of several.
pub(super) struct Written {
    /// The manifest's media type.
    pub(super) media_type: String,
    pub(super) manifest: Document,
    pub(super) config: Document,
}

impl Written {
    /// Those that the image had, byte for byte, or those in their place where image-spec's schemas refuse them.
    pub(super) fn of(
        given: Option<(Descriptor, Document)>,
        config: Document,
        layers: &[LayerRecord],
    ) -> Result<Written, ImageError> {
        let valid = received::valid_config(&config.bytes).map_err(ImageError::Document)?.map(Document::new);
        let (media_type, manifest) = match given {
            Some((descriptor, document)) => {
                let digest = valid.as_ref().map(|config| (config.digest.to_string(), config.bytes.len()));
                let config = digest.as_ref().map(|(digest, size)| (&digest[..], *size));
                let valid =
                    received::valid_manifest(&document.bytes, config).map_err(ImageError::Document)?;
                (descriptor.media_type, valid.map_or(document, Document::new))
            }
            None => (media::MANIFEST.to_string(), manifest(valid.as_ref().unwrap_or(&config), layers)?),
        };
        let config = valid.unwrap_or(config);
        config.check_size("configuration", "take the image from elsewhere")?;
        manifest.check_size("manifest", "take the image from elsewhere")?;
        Ok(Written { media_type, manifest, config })
    }
}

/// The manifest of an image that had none.
pub(super) fn manifest(config: &Document, layers: &[LayerRecord]) -> Result<Document, ImageError> {
    let layers = layers.iter().map(|layer| layer.blob);
    Ok(Document::new(serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: Some(media::MANIFEST.to_string()),
        config: config.descriptor(media::CONFIG),
        layers: layers
            .map(|blob| Descriptor::new(layer_type(blob.encoding), blob.digest, blob.size))
            .collect(),
        annotations: Default::default(),
    })?))
}
