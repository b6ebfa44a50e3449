//! Images of OCI layouts, in a directory or an archive (image-spec, image-layout.md).

use std::collections::BTreeSet;

use super::{BaseError, Container, NamedImage, Opened, OpenedLayer, Reader};
use crate::digest::Digest;
use crate::image::platform::{self as platforms, Preferred, listed};
use crate::image::received::{self, Received};
use crate::image::{
    self, Descriptor, Document, ImageConfig, Index, MAX_DOCUMENT, Manifest, blob_path, media,
};
use crate::spec::Platform;

/// Indexes in indexes are followed so far (registry clients follow fewer).
const MAX_NESTING: usize = 4;

/// Entries that one choice may take.
const MAX_DOCUMENTS: usize = 32;

/// What to do where one of several images would have to be guessed.
pub(super) const ALONE: &str =
    "use an archive or layout of that image alone (skopeo copy takes it out of this one by its name)";

/// Annotations that name an image: Docker's and containerd's full name, the specification's tag.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

pub(super) fn open(
    reader: &Reader,
    container: Container,
    platform: Option<&Platform>,
) -> Result<Opened, BaseError> {
    let mut index = index(reader)?;
    // One image may have several names.
    let mut known = BTreeSet::new();
    index.manifests.retain(|entry| known.insert((entry.digest, entry.size, entry.media_type.clone())));
    let (named, descriptor) = choose(reader, "index.json", &index, platform, 0, &mut 0)?;
    image(reader, container, &named, descriptor)
}

pub(super) fn open_all(reader: &Reader, container: Container) -> Result<Vec<NamedImage>, BaseError> {
    let mut images: Vec<(Descriptor, NamedImage)> = Vec::new();
    for entry in index(reader)?.manifests {
        let only = Index {
            schema_version: 2,
            media_type: None,
            manifests: vec![entry],
            annotations: Default::default(),
        };
        let (entry, descriptor) = choose(reader, "index.json", &only, None, 0, &mut 0)?;
        let name = called(&entry).map(|name| image::short_for_docker(name).to_owned());
        match images.iter_mut().find(|(other, _)| other.digest == descriptor.digest) {
            Some((_, named)) => named.names.extend(name),
            None => {
                let image = image(reader, container, &entry, descriptor.clone())?;
                images.push((descriptor, NamedImage { names: name.into_iter().collect(), image }));
            }
        }
    }
    match images.is_empty() {
        true => Err(reader.wrong("index.json", "no image in it")),
        false => Ok(images.into_iter().map(|(_, named)| named).collect()),
    }
}

/// What an entry of an index is called.
fn called(entry: &Descriptor) -> Option<&String> {
    NAMES.iter().find_map(|key| entry.annotations.get(*key))
}

/// The index of a layout whose version is known.
fn index(reader: &Reader) -> Result<Index, BaseError> {
    let layout = received::layout(&reader.read("oci-layout", 4096)?)
        .map_err(|what| reader.wrong("oci-layout", what))?;
    if layout.version != "1.0.0" {
        let what = format!("imageLayoutVersion {:?}, expected \"1.0.0\"", layout.version);
        return Err(reader.wrong("oci-layout", what));
    }
    received::index_json(&reader.read("index.json", MAX_DOCUMENT)?)
        .map_err(|what| reader.wrong("index.json", what))
}

/// The image whose manifest `descriptor` names; `named` is the outermost entry that leads to it.
fn image(
    reader: &Reader,
    container: Container,
    named: &Descriptor,
    descriptor: Descriptor,
) -> Result<Opened, BaseError> {
    let manifest_document = document(reader, &descriptor)?;
    let name = blob_path(descriptor.digest);
    let Received::Manifest(manifest) =
        reader.document(&name, &manifest_document.bytes, &descriptor.media_type)?
    else {
        return Err(reader.wrong(&name, "it is an index, expected a manifest"));
    };
    let config_document = document(reader, &manifest.config)?;
    let config_name = blob_path(manifest.config.digest);
    let config = reader.config(&config_name, &config_document.bytes)?;
    let layers = layers(reader, &name, &manifest, &config)?;
    let reference = called(named).cloned();
    let manifest = Some((descriptor, manifest_document));
    Ok(Opened { container, reference, manifest, config_document, config, layers })
}

/// The image of `index` for `platform`, or its only one, as registry clients choose it: the entry of the outermost index, which has the
/// name, and the manifest's descriptor.
fn choose(
    reader: &Reader,
    name: &str,
    index: &Index,
    platform: Option<&Platform>,
    depth: usize,
    documents: &mut usize,
) -> Result<(Descriptor, Descriptor), BaseError> {
    let several = |wanted: &str| {
        let (count, offered) = (index.manifests.len(), listed(&index.manifests));
        reader.wrong(name, format!("{count} images ({offered}), expected {wanted}"))
    };
    // The outermost index has names, and no choice but by platform is made there.
    let several_names = |entries: &[&Descriptor]| {
        let names = entries.iter().map(|entry| {
            let name = called(entry).map(|name| image::short_for_docker(name));
            platforms::called(*entry, name)
        });
        let (count, names) = (entries.len(), platforms::listed_names(names));
        reader.wrong(name, format!("{count} images ({names}), expected one; {ALONE}"))
    };
    let entries = match (&index.manifests[..], platform) {
        ([], _) => return Err(reader.wrong(name, "no image in it")),
        // The outermost index names the images of a layout; a choice is made in those that it leads to.
        ([only], Some(_)) if depth == 0 => vec![only],
        ([only], None) => vec![only],
        (all, None) if depth == 0 => return Err(several_names(&all.iter().collect::<Vec<_>>())),
        (_, None) => return Err(several("one")),
        (all, Some(wanted)) => {
            let mut entries = platforms::choose(wanted, all, Preferred::default());
            // What has no platform there is any image, and not one for all platforms.
            entries.retain(|entry| depth > 0 || entry.platform.is_some());
            let equals: Vec<&Descriptor> = match entries.first() {
                Some(best) if depth == 0 => {
                    let is_equal = |entry: &&Descriptor| {
                        platforms::same_platform(*entry, *best)
                            && (called(entry) != called(best) || !platforms::other_compression(*entry, *best))
                    };
                    all.iter().filter(is_equal).collect()
                }
                None if depth == 0 && all.iter().all(|entry| entry.platform.is_none()) => {
                    all.iter().collect()
                }
                _ => Vec::new(),
            };
            if equals.len() > 1 {
                return Err(several_names(&equals));
            }
            entries
        }
    };
    let mut missing = None;
    for entry in entries {
        *documents += 1;
        if *documents > MAX_DOCUMENTS {
            return Err(several(&format!(
                "at most {MAX_DOCUMENTS} in which the platform has to be looked for"
            )));
        }
        match follow(reader, name, entry, platform, depth, documents) {
            // An index that said nothing of its platforms, and has others.
            Err(error @ BaseError::Platform { .. }) => missing = missing.or(Some(error)),
            done => return done,
        }
    }
    Err(match (missing, platform) {
        (Some(error), _) => error,
        (None, None) => several("one"),
        (None, Some(wanted)) => BaseError::Platform {
            path: reader.path.into(),
            name: name.into(),
            wanted: wanted.to_string(),
            offered: listed(&index.manifests),
        },
    })
}

/// The image that an entry of an index leads to.
fn follow(
    reader: &Reader,
    name: &str,
    entry: &Descriptor,
    platform: Option<&Platform>,
    depth: usize,
    documents: &mut usize,
) -> Result<(Descriptor, Descriptor), BaseError> {
    if image::is_manifest(&entry.media_type) {
        return Ok((entry.clone(), entry.clone()));
    }
    if !image::is_index(&entry.media_type) || depth == MAX_NESTING {
        let what = match depth == MAX_NESTING {
            true => format!("indexes nested deeper than {MAX_NESTING}"),
            false => format!("the image is a {:?}, expected {:?}", entry.media_type, media::MANIFEST),
        };
        return Err(reader.wrong(name, what));
    }
    let inner = document(reader, entry)?;
    let inner_name = blob_path(entry.digest);
    let Received::Index(inner) = reader.document(&inner_name, &inner.bytes, &entry.media_type)? else {
        return Err(reader.wrong(&inner_name, "it is a manifest, expected an index"));
    };
    let (_, manifest) = choose(reader, &inner_name, &inner, platform, depth + 1, documents)?;
    Ok((entry.clone(), manifest))
}

/// The document that `descriptor` names, with its digest and size checked.
fn document(reader: &Reader, descriptor: &Descriptor) -> Result<Document, BaseError> {
    let name = blob_path(descriptor.digest);
    let bytes = reader.read(&name, MAX_DOCUMENT)?;
    let (found, size) = (Digest::of(&bytes), bytes.len() as u64);
    if size != descriptor.size {
        return Err(reader.wrong(&name, format!("{size} bytes, expected {}", descriptor.size)));
    }
    if found != descriptor.digest {
        return Err(reader.wrong(&name, format!("its bytes have the digest {found}")));
    }
    Ok(Document::new(bytes))
}

fn layers(
    reader: &Reader,
    name: &str,
    manifest: &Manifest,
    config: &ImageConfig,
) -> Result<Vec<OpenedLayer>, BaseError> {
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        let what =
            format!("{} diff_ids, but the manifest has {} layers", diff_ids.len(), manifest.layers.len());
        return Err(reader.wrong(&blob_path(manifest.config.digest), what));
    }
    let mut layers = Vec::with_capacity(diff_ids.len());
    for (layer, &diff_id) in manifest.layers.iter().zip(diff_ids) {
        let encoding = image::layer_encoding(&layer.media_type).ok_or_else(|| {
            reader.wrong(name, format!("a layer is a {:?}, which cannot be used", layer.media_type))
        })?;
        let blob = blob_path(layer.digest);
        let extent = reader.files.find(&blob)?.ok_or_else(|| reader.wrong(&blob, "missing"))?;
        if extent.size != layer.size {
            return Err(reader.wrong(&blob, format!("{} bytes, expected {}", extent.size, layer.size)));
        }
        layers.push(OpenedLayer { encoding, digest: Some(layer.digest), diff_id, extent });
    }
    Ok(layers)
}
