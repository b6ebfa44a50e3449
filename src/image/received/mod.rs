//! Documents from outside, read by one set of rules, wherever an image is kept: in a layout, in an archive or in a
//! registry.
//!
//! A document is accepted if programs in Go (skopeo, podman, Docker, containerd) read it, and if all readers agree on
//! its meaning: a key that is there twice, a manifest that is an index as well (CVE-2021-41190) and a value of a wrong
//! type are refused, with the key in the error. Go takes `null` for a value that is left out; the JSON schemas of the
//! image-spec do so in few places. So what is read has lost its `null`s, and [`valid_config`] and [`valid_manifest`]
//! say what has to be written in place of a document that the schemas would refuse.

mod json;
mod shapes;

use serde::de::DeserializeOwned;
use serde_json::Value;

use self::shapes::{Checked, Shape};
use super::documents::{DockerManifest, ImageConfig, Index, Layout, Manifest};
use super::{is_index, is_manifest, media};

/// Layers of a manifest. Docker and containerd stop at 127.
const MOST_LAYERS: usize = 1024;

/// Images of an index.
const MOST_MANIFESTS: usize = 10_000;

/// A document that names others.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// A manifest.
    Manifest(Manifest),
    /// An index.
    Index(Index),
}

/// Reads a manifest or an index; its media type, too. `said` is the media type that the document came with, if any:
/// a document that calls itself otherwise is refused.
pub fn document(bytes: &[u8], said: Option<&str>) -> Result<(String, Received), String> {
    let mut value = json::read(bytes)?;
    let own = own_type(&value)?.map(str::to_owned);
    if let (Some(said), Some(own)) = (said, &own)
        && !own.eq_ignore_ascii_case(said)
    {
        return Err(format!("it is said to be a {said:?}, and calls itself {own:?}"));
    }
    let by_shape = || match value.get("manifests") {
        Some(_) => media::INDEX.to_owned(),
        None => media::MANIFEST.to_owned(),
    };
    let media_type = own.or_else(|| said.map(str::to_owned)).unwrap_or_else(by_shape);
    let received = match media_type.as_str() {
        name if is_manifest(name) => {
            unambiguous(&value, &media_type, &["manifests", "fsLayers", "history"])?;
            Received::Manifest(manifest(&mut value)?)
        }
        name if is_index(name) => {
            unambiguous(&value, &media_type, &["config", "layers", "fsLayers", "history"])?;
            Received::Index(index(&mut value)?)
        }
        _ => return Err(format!("it is a {media_type:?}, which is not an image")),
    };
    Ok((media_type, received))
}

/// Reads the `index.json` of a layout, which usually does not say its media type.
pub fn index_json(bytes: &[u8]) -> Result<Index, String> {
    let said = match own_type(&json::read(bytes)?)? {
        Some(_) => None,
        None => Some(media::INDEX),
    };
    match document(bytes, said)? {
        (_, Received::Index(index)) => Ok(index),
        (media_type, Received::Manifest(_)) => {
            Err(format!("it is a {media_type:?}, expected {:?}", media::INDEX))
        }
    }
}

/// Reads a configuration.
pub fn config(bytes: &[u8]) -> Result<ImageConfig, String> {
    let mut value = json::read(bytes)?;
    checked_config(&mut value)?;
    typed(value)
}

/// Reads the `oci-layout` file.
pub fn layout(bytes: &[u8]) -> Result<Layout, String> {
    object(bytes, &shapes::LAYOUT)
}

/// Reads Docker's `manifest.json`.
pub fn docker_manifest(bytes: &[u8]) -> Result<Vec<DockerManifest>, String> {
    object(bytes, &shapes::DOCKER_MANIFEST)
}

/// What is to be written in place of a configuration that was read: other bytes where the schemas would refuse it.
pub fn valid_config(bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut value = json::read(bytes)?;
    let Checked { rewritten } = checked_config(&mut value)?;
    Ok((rewritten || std::str::from_utf8(bytes).is_err()).then(|| value.to_string().into_bytes()))
}

/// What is to be written in place of a manifest that was read: other bytes where the schemas would refuse it, or
/// where its configuration has become another one, of which digest and size are given.
pub fn valid_manifest(bytes: &[u8], config: Option<(&str, usize)>) -> Result<Option<Vec<u8>>, String> {
    let mut value = json::read(bytes)?;
    let Checked { rewritten } = shapes::check(&mut value, &shapes::MANIFEST)?;
    if let Some((digest, size)) = config {
        value["config"]["digest"] = digest.into();
        value["config"]["size"] = size.into();
        // The bytes themselves, which a descriptor may hold.
        value["config"].as_object_mut().map(|config| config.remove("data"));
    }
    let is_changed = rewritten || config.is_some() || std::str::from_utf8(bytes).is_err();
    Ok(is_changed.then(|| value.to_string().into_bytes()))
}

/// The media type that a manifest or index says of itself, once its version is known to be 2.
fn own_type(value: &Value) -> Result<Option<&str>, String> {
    let Value::Object(document) = value else {
        return Err(format!("it is {}, expected a JSON object of a manifest", shapes::shown(value)));
    };
    let schema_1 = "it is an image of schema 1, which is not supported: push it again with a newer Docker";
    match document.get("schemaVersion") {
        Some(Value::Number(version)) if version.as_u64() == Some(2) => {}
        Some(Value::Number(version)) if version.as_u64() == Some(1) => return Err(schema_1.to_owned()),
        None => return Err("schemaVersion is missing, expected 2".to_owned()),
        Some(other) => return Err(format!("schemaVersion is {}, expected 2", shapes::shown(other))),
    }
    match document.get("mediaType") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(media_type)) => Ok(Some(media_type)),
        Some(other) => Err(format!("mediaType is {}, expected a string", shapes::shown(other))),
    }
}

/// Refuses a document with a key of another kind of document.
fn unambiguous(value: &Value, media_type: &str, foreign: &[&str]) -> Result<(), String> {
    let has = |name: &&&str| {
        value.as_object().is_some_and(|object| object.keys().any(|key| key.eq_ignore_ascii_case(name)))
    };
    match foreign.iter().find(has) {
        Some(name) => {
            Err(format!("it is a {media_type:?} with {name:?} in it: readers would differ on what it is"))
        }
        None => Ok(()),
    }
}

fn manifest(value: &mut Value) -> Result<Manifest, String> {
    at_most(value, "layers", MOST_LAYERS)?;
    shapes::check(value, &shapes::MANIFEST)?;
    let manifest: Manifest = typed(value.take())?;
    let sizes = manifest.layers.iter().chain([&manifest.config]).map(|blob| blob.size);
    match sizes.map(u128::from).sum::<u128>() {
        sum if sum > i64::MAX as u128 => {
            Err(format!("the sizes of its blobs add up to {sum} bytes, and the most is {}", i64::MAX))
        }
        _ => Ok(manifest),
    }
}

fn index(value: &mut Value) -> Result<Index, String> {
    at_most(value, "manifests", MOST_MANIFESTS)?;
    shapes::check(value, &shapes::INDEX)?;
    typed(value.take())
}

fn at_most(value: &Value, key: &str, most: usize) -> Result<(), String> {
    match value[key].as_array() {
        Some(list) if list.len() > most => Err(format!("it has more than {most} {key}")),
        _ => Ok(()),
    }
}

fn checked_config(value: &mut Value) -> Result<Checked, String> {
    let checked = shapes::check(value, &shapes::CONFIG)?;
    match value["rootfs"]["type"].as_str() {
        Some("layers") => Ok(checked),
        kind => Err(format!("rootfs.type is {:?}, expected \"layers\"", kind.unwrap_or_default())),
    }
}

fn object<T: DeserializeOwned>(bytes: &[u8], shape: &Shape) -> Result<T, String> {
    let mut value = json::read(bytes)?;
    shapes::check(&mut value, shape)?;
    typed(value)
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
