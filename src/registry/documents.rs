//! Manifests and indexes as they come from the network: every way in which two readers could read them
//! differently is refused (CVE-2021-41190), and so is what is out of all proportion.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::RegistryError;
use crate::digest::Digest;
use crate::image::{Descriptor, Manifest, media};

/// Docker's media types for what OCI has, too (distribution, manifest-v2-2.md).
pub(super) mod docker {
    pub const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    pub const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
}

/// Layers of a manifest. Docker and containerd stop at 127.
const MOST_LAYERS: usize = 1024;

/// Images of an index.
const MOST_MANIFESTS: usize = 10_000;

/// Levels of a document; manifests and indexes have five.
const DEEPEST: usize = 32;

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

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(default)]
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
    check_depth(bytes).map_err(refuse)?;
    let Outline { names, schema_version, media_type } = serde_json::from_slice(bytes)
        .map_err(|e| refuse(format!("it is no JSON object of a manifest: {e}")))?;
    let has = |name: &str| names.iter().any(|found| found.eq_ignore_ascii_case(name));
    match schema_version {
        Some(2) => {}
        Some(1) => return Err(refuse(schema_1.to_string())),
        _ => return Err(refuse("its schemaVersion is not 2".to_string())),
    }
    if let (Some(sent), Some(own)) = (&sent, &media_type)
        && !own.eq_ignore_ascii_case(sent)
    {
        return Err(refuse(format!("it was sent as {sent:?}, and calls itself {own:?}")));
    }
    let sniffed = || match has("manifests") {
        true => media::INDEX.to_string(),
        false => media::MANIFEST.to_string(),
    };
    let media_type = media_type.or(sent).unwrap_or_else(sniffed);
    let foreign: &[&str] = match media_type.as_str() {
        media::MANIFEST | docker::MANIFEST => &["manifests", "fsLayers", "history"],
        media::INDEX | docker::LIST => &["config", "layers", "fsLayers", "history"],
        _ => return Err(refuse(format!("it is a {media_type:?}, which is not an image"))),
    };
    if let Some(name) = foreign.iter().find(|name| has(name)) {
        return Err(refuse(format!(
            "it is a {media_type:?} with {name:?} in it: readers would differ on what it is"
        )));
    }
    let document = match is_index(&media_type) {
        true => {
            let index: RawIndex = typed(bytes).map_err(refuse)?;
            Document::Index(index.manifests.into_iter().map(RawDescriptor::offer).collect())
        }
        false => {
            let raw: RawManifest = typed(bytes).map_err(refuse)?;
            let descriptor = |raw: RawDescriptor| raw.offer().descriptor;
            Document::Manifest(Box::new(Manifest {
                schema_version: 2,
                media_type: Some(media_type.clone()),
                config: descriptor(raw.config),
                layers: raw.layers.into_iter().map(descriptor).collect(),
                annotations: BTreeMap::new(),
            }))
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
    #[derive(Deserialize)]
    struct Config {
        rootfs: Option<RootFs>,
    }
    #[derive(Deserialize)]
    struct RootFs {
        #[serde(rename = "type")]
        kind: String,
        diff_ids: Option<Vec<Digest>>,
    }
    let refuse = |what: String| RegistryError::document(object, what);
    check_depth(bytes).map_err(refuse)?;
    let config: Config = typed(bytes).map_err(refuse)?;
    let rootfs = config.rootfs.ok_or_else(|| refuse("it has no rootfs".to_string()))?;
    if rootfs.kind != "layers" {
        return Err(refuse(format!("its rootfs.type is {:?}, not \"layers\"", rootfs.kind)));
    }
    let count = rootfs.diff_ids.unwrap_or_default().len();
    match count == layers {
        true => Ok(()),
        false => Err(refuse(format!("it has {count} diff_ids, and the manifest {layers} layers"))),
    }
}

/// A JSON object as a type. (serde also takes lists for structs.)
fn typed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{') => serde_json::from_slice(bytes).map_err(|e| e.to_string()),
        _ => Err("it is no JSON object".to_string()),
    }
}

/// Brackets in brackets: checked before anything recurses.
fn check_depth(bytes: &[u8]) -> Result<(), String> {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} levels deep"));
        }
    }
    Ok(())
}

/// The names at the top, and the two that say how to go on.
struct Outline {
    names: Vec<String>,
    schema_version: Option<u64>,
    media_type: Option<String>,
}

/// Names that decide; two of them that differ only in case are read as one by Go, and as two by others.
const DECISIVE: [&str; 9] = [
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "manifests",
    "fsLayers",
    "history",
    "signatures",
    "artifactType",
];

impl<'d> Deserialize<'d> for Outline {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Outline, D::Error> {
        struct Visit;
        impl<'d> Visitor<'d> for Visit {
            type Value = Outline;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<Outline, A::Error> {
                use serde::de::Error;
                let mut outline = Outline { names: Vec::new(), schema_version: None, media_type: None };
                while let Some(name) = map.next_key::<String>()? {
                    if let Some(decisive) =
                        DECISIVE.iter().find(|decisive| name.eq_ignore_ascii_case(decisive))
                    {
                        if outline.names.contains(&name) {
                            return Err(A::Error::custom(format!("{name:?} is there twice")));
                        }
                        if name != *decisive {
                            return Err(A::Error::custom(format!("{name:?} is not {decisive:?}")));
                        }
                        outline.names.push(name.clone());
                    }
                    match name.as_str() {
                        "schemaVersion" => outline.schema_version = Some(map.next_value()?),
                        "mediaType" => outline.media_type = map.next_value()?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(outline)
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

#[derive(Deserialize)]
struct RawManifest {
    config: RawDescriptor,
    #[serde(deserialize_with = "layers")]
    layers: Vec<RawDescriptor>,
}

#[derive(Deserialize)]
struct RawIndex {
    #[serde(deserialize_with = "manifests")]
    manifests: Vec<RawDescriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    media_type: String,
    digest: Digest,
    #[serde(deserialize_with = "size")]
    size: u64,
    platform: Option<OfferedPlatform>,
    annotations: Option<BTreeMap<String, Option<String>>>,
}

impl RawDescriptor {
    fn offer(self) -> Offer {
        let mut descriptor = Descriptor::new(&self.media_type, self.digest, self.size);
        let annotations = self.annotations.unwrap_or_default().into_iter();
        descriptor.annotations = annotations.map(|(name, value)| (name, value.unwrap_or_default())).collect();
        Offer { descriptor, platform: self.platform }
    }
}

/// Sizes are int64 (image-spec, descriptor.md).
fn size<'d, D: Deserializer<'d>>(deserializer: D) -> Result<u64, D::Error> {
    let size = i64::deserialize(deserializer)?;
    u64::try_from(size).map_err(|_| serde::de::Error::custom(format!("a size of {size} bytes")))
}

fn layers<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Vec<RawDescriptor>, D::Error> {
    at_most(deserializer, MOST_LAYERS, "layers")
}

fn manifests<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Vec<RawDescriptor>, D::Error> {
    at_most(deserializer, MOST_MANIFESTS, "manifests")
}

/// A list of `most` elements; what follows is not even read.
fn at_most<'d, D: Deserializer<'d>, T: Deserialize<'d>>(
    deserializer: D,
    most: usize,
    what: &'static str,
) -> Result<Vec<T>, D::Error> {
    struct Visit<T>(usize, &'static str, std::marker::PhantomData<T>);
    impl<'d, T: Deserialize<'d>> Visitor<'d> for Visit<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            write!(f, "a list of {}", self.1)
        }

        fn visit_seq<A: SeqAccess<'d>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = sequence.next_element()? {
                if all.len() == self.0 {
                    return Err(serde::de::Error::custom(format!("more than {} {}", self.0, self.1)));
                }
                all.push(one);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_seq(Visit(most, what, std::marker::PhantomData))
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
