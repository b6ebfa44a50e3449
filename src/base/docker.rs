//! docker-archives: `manifest.json`, a configuration, layers (moby, image/spec/v1.2.md), as Docker old and
//! new, podman, skopeo and dockerTools write them.

use std::os::unix::fs::FileExt;

use super::oci::ALONE;
use super::{BaseError, Container, NamedImage, Opened, OpenedLayer, Reader};
use crate::image::{DockerManifest, Document, MAX_DOCUMENT, blob_path};
use crate::image::{platform, received};
use crate::layer::{Encoding, Extent};

/// containers/image reads no larger `manifest.json`.
const MAX_MANIFEST: usize = 1 << 20;

pub(super) fn open(reader: &Reader) -> Result<Opened, BaseError> {
    image(reader, only_image(reader)?)
}

pub(super) fn open_all(reader: &Reader) -> Result<Vec<NamedImage>, BaseError> {
    let images = images(reader)?;
    if images.is_empty() {
        return Err(reader.wrong("manifest.json", "no image in it"));
    }
    let images = images.into_iter().map(|entry| {
        let names = entry.repo_tags.clone().unwrap_or_default();
        Ok(NamedImage { names, image: image(reader, entry)? })
    });
    images.collect()
}

/// Gives an image of `index.json` the names that `manifest.json` has for it: those are complete.
pub(super) fn rename(reader: &Reader, named: &mut NamedImage) -> Result<(), BaseError> {
    let config = blob_path(named.image.config_document.digest);
    let same = images(reader)?.into_iter().filter(|image| image.config == config);
    let names: Vec<String> = same.flat_map(|image| image.repo_tags.unwrap_or_default()).collect();
    if !names.is_empty() {
        named.names = names;
    }
    Ok(())
}

fn image(reader: &Reader, entry: DockerManifest) -> Result<Opened, BaseError> {
    let config_document = Document::new(reader.read(&entry.config, MAX_DOCUMENT)?);
    let config = reader.config(&entry.config, &config_document.bytes)?;
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != entry.layers.len() {
        let what =
            format!("{} diff_ids, but manifest.json has {} layers", diff_ids.len(), entry.layers.len());
        return Err(reader.wrong(&entry.config, what));
    }
    let mut layers = Vec::with_capacity(diff_ids.len());
    for (name, &diff_id) in entry.layers.iter().zip(diff_ids) {
        let extent = reader.files.find(name)?.ok_or_else(|| reader.wrong(name, "missing"))?;
        let encoding = by_magic(&extent)
            .map_err(|source| BaseError::Io { path: extent.path.to_path_buf(), source })?
            .ok_or_else(|| reader.wrong(name, "compressed in a way that OCI knows no media type for"))?;
        layers.push(OpenedLayer { encoding, digest: None, diff_id, extent });
    }
    let reference = entry.repo_tags.and_then(|tags| tags.into_iter().next());
    let container = Container::DockerArchive;
    Ok(Opened { container, reference, manifest: None, config_document, config, layers })
}

/// Refuses an archive whose `manifest.json` does not know the image of its `index.json`.
pub(super) fn agrees(reader: &Reader, opened: &Opened) -> Result<(), BaseError> {
    let layers: Vec<String> = opened.layers.iter().filter_map(|layer| layer.digest).map(blob_path).collect();
    let config = blob_path(opened.config_document.digest);
    match images(reader)?.iter().any(|image| image.config == config && image.layers == layers) {
        true => Ok(()),
        false => Err(reader.wrong("manifest.json", "does not describe the image of index.json")),
    }
}

/// The images of `manifest.json`.
fn images(reader: &Reader) -> Result<Vec<DockerManifest>, BaseError> {
    received::docker_manifest(&reader.read("manifest.json", MAX_MANIFEST)?)
        .map_err(|what| reader.wrong("manifest.json", what))
}

/// The one image of `manifest.json`.
fn only_image(reader: &Reader) -> Result<DockerManifest, BaseError> {
    let images = images(reader)?;
    let Some(first) = images.first() else { return Err(reader.wrong("manifest.json", "no image in it")) };
    // One image may have an entry for each of its names.
    if images.iter().all(|image| image.config == first.config && image.layers == first.layers) {
        return Ok(first.clone());
    }
    let names = images.iter().flat_map(|image| match image.repo_tags.as_deref().unwrap_or_default() {
        [] => vec!["an image without name".to_owned()],
        tags => tags.to_vec(),
    });
    let (count, names) = (images.len(), platform::listed_names(names));
    Err(reader.wrong("manifest.json", format!("{count} images ({names}), expected one; {ALONE}")))
}

/// What a layer is by its first bytes: old archives hold tars, Docker 25 also gzip, others Zstandard.
fn by_magic(extent: &Extent) -> std::io::Result<Option<Encoding>> {
    let mut head = [0; 6];
    let known = extent.size.min(head.len() as u64) as usize;
    extent.file.read_exact_at(&mut head[..known], extent.offset)?;
    Ok(match head {
        [0x1f, 0x8b, 8, ..] => Some(Encoding::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Encoding::Zstd),
        [0xfd, b'7', b'z', b'X', b'Z', 0] | [b'B', b'Z', b'h', ..] => None,
        _ => Some(Encoding::Plain),
    })
}
