//! The documents of a docker-archive: what the configuration says of the layers, Docker's layer IDs from
//! before 1.10 and their `json` files, `manifest.json` and `repositories`
//! (containers/image, docker/internal/tarfile/writer.go).

use super::json::{self, Malformed, Member};
use super::{Destination, DockerArchiveError};
use crate::digest::Digest;

/// Keys of the configuration that the last layer's `json` repeats, in Go's order of keys; `id` and
/// `layer_id` come before the last.
const REPEATED: [&str; 7] =
    ["architecture", "config", "container", "container_config", "created", "docker_version", "os"];

/// What is needed of a configuration.
#[derive(Debug)]
pub(super) struct Config {
    pub diff_ids: Vec<Digest>,
    /// The compact values of [`REPEATED`].
    repeated: Vec<Vec<u8>>,
}

impl Config {
    pub(super) fn parse(text: &[u8]) -> Result<Config, DockerArchiveError> {
        let wrong = |what: String| DockerArchiveError::Config { what };
        let of = |key: &'static str| move |e: Malformed| wrong(format!("{key}: {e}"));
        let members = json::object(text).map_err(|e| wrong(e.to_string()))?;
        let rootfs = value(&members, "rootfs")
            .ok_or_else(|| wrong("it has no rootfs, which names its layers".into()))?;
        let diff_ids = match value(&json::object(rootfs).map_err(of("rootfs"))?, "diff_ids") {
            None => Vec::new(),
            // What Go writes for an image without layers.
            Some(b"null") => Vec::new(),
            Some(list) => {
                let elements = json::array(list).map_err(of("rootfs.diff_ids"))?;
                let digests = elements.iter().map(|element| {
                    let text = json::string(element).map_err(of("rootfs.diff_ids"))?;
                    String::from_utf8_lossy(&text)
                        .parse::<Digest>()
                        .map_err(|e| wrong(format!("rootfs.diff_ids: {e}")))
                });
                digests.collect::<Result<_, _>>()?
            }
        };
        let repeated = REPEATED.iter().map(|key| {
            let mut out = Vec::new();
            json::compact(value(&members, key).unwrap_or(b"null"), &mut out);
            out
        });
        Ok(Config { diff_ids, repeated: repeated.collect() })
    }
}

/// The value of `key`: of duplicates, the last.
fn value<'t>(members: &[Member<'t>], key: &str) -> Option<&'t [u8]> {
    members.iter().rev().find(|(name, _)| **name == *key.as_bytes()).map(|(_, value)| *value)
}

/// A layer as it was before 1.10: a folder.
pub(super) struct Legacy {
    /// The folder's name.
    pub id: String,
    /// Its file `json`.
    pub json: Vec<u8>,
}

/// The folders of all layers, bottom first.
pub(super) fn legacy(config: &Config) -> Vec<Legacy> {
    let mut folders: Vec<Legacy> = Vec::with_capacity(config.diff_ids.len());
    let mut chain: Option<Digest> = None;
    for (i, diff_id) in config.diff_ids.iter().enumerate() {
        let own = match chain {
            None => *diff_id,
            Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
        };
        chain = Some(own);
        let parent = folders.last().map(|below| below.id.as_str());
        let repeated = (i + 1 == config.diff_ids.len()).then_some(&config.repeated[..]);
        let id = Digest::of(&folder_json(repeated, "layer_id", &own.to_string(), parent)).hex();
        let json = folder_json(repeated, "id", &id, parent);
        folders.push(Legacy { id, json });
    }
    folders
}

/// An object with sorted keys, as Go writes a map: `key` comes between `docker_version` and `os`.
fn folder_json(repeated: Option<&[Vec<u8>]>, key: &str, value: &str, parent: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut member = |key: &str, value: &[u8]| {
        out.push(if out.is_empty() { b'{' } else { b',' });
        out.extend(format!("\"{key}\":").bytes());
        out.extend(value);
    };
    let quoted = |text: &str| format!("\"{text}\"").into_bytes();
    let mut repeated: Vec<(&str, &Vec<u8>)> =
        REPEATED.into_iter().zip(repeated.unwrap_or_default()).collect();
    let os = repeated.pop();
    for (key, value) in repeated {
        member(key, value);
    }
    member(key, &quoted(value));
    if let Some((key, value)) = os {
        member(key, value);
    }
    if let Some(parent) = parent {
        member("parent", &quoted(parent));
    }
    out.push(b'}');
    out
}

/// The name of a layer's member.
pub(super) fn layer_name(diff_id: Digest) -> String {
    format!("{}.tar", diff_id.hex())
}

/// The name of the configuration's member.
pub(super) fn config_name(config: Digest) -> String {
    format!("{}.json", config.hex())
}

/// `manifest.json`. Nothing in it needs escapes.
pub(super) fn manifest(config: Digest, diff_ids: &[Digest], destination: &Destination) -> String {
    let layers: Vec<String> = diff_ids.iter().map(|id| format!("\"{}\"", layer_name(*id))).collect();
    format!(
        r#"[{{"Config":"{}","RepoTags":["{destination}"],"Layers":[{}]}}]"#,
        config_name(config),
        layers.join(",")
    )
}

/// `repositories`, which says what `destination` is: the topmost folder.
pub(super) fn repositories(topmost: Option<&Legacy>, destination: &Destination) -> String {
    match topmost {
        None => "{}".to_string(),
        Some(Legacy { id, .. }) => {
            format!(r#"{{"{}":{{"{}":"{id}"}}}}"#, destination.name(), destination.tag())
        }
    }
}
