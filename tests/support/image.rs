//! Images as Python sees them (`look`): an oracle that shares no code with gantry.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{json, output, witness};

/// An image, every digest and size in it compared with the bytes.
#[derive(Debug, Deserialize)]
pub struct Image {
    /// Of the manifest.
    pub digest: String,
    pub index: Value,
    pub manifest: Value,
    pub config: Value,
    /// Bottom first.
    pub layers: Vec<Layer>,
    /// Docker's manifest.json, in archives.
    pub docker: Option<Value>,
    pub oci_layout: Value,
    /// Files that no document names.
    pub unnamed: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct Layer {
    pub digest: String,
    pub diff_id: String,
    pub media_type: String,
    /// Bytes of the blob, and decompressed.
    pub size: u64,
    pub plain_size: u64,
    /// Store paths, as the history says.
    pub paths: Vec<String>,
    pub members: Vec<Member>,
}

/// A tar member; its name without a leading `/` or `./`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Member {
    pub name: String,
    /// `file`, `directory`, `link`.
    pub kind: String,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub uname: String,
    pub gname: String,
    pub mtime: f64,
    pub size: u64,
    pub target: String,
    pub sha256: String,
}

/// Reads an archive or a layout, which is witnessed.
#[track_caller]
pub fn look(image: &Path) -> Image {
    let text = run_look("image", image);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Reads an archive or a layout with layers of others, whose history says anything.
#[track_caller]
pub fn look_at_others(image: &Path) -> Image {
    let text = run_look("others", image);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// The files of a directory: name to mode, owner, time, size, and content or target.
#[track_caller]
pub fn tree(directory: &Path) -> BTreeMap<String, String> {
    serde_json::from_value(json(&run_look("tree", directory))).expect("a map")
}

#[track_caller]
fn run_look(command: &str, path: &Path) -> String {
    if command != "tree" {
        witness(path);
    }
    let look = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/look");
    output(look, &[Path::new(command), path])
}

impl Image {
    pub fn diff_ids(&self) -> Vec<&str> {
        self.layers.iter().map(|layer| layer.diff_id.as_str()).collect()
    }

    /// The store paths of all layers; each must be in one layer only.
    #[track_caller]
    pub fn paths(&self) -> BTreeSet<&str> {
        let mut paths = BTreeSet::new();
        for path in self.layers.iter().flat_map(|layer| &layer.paths) {
            assert!(paths.insert(path.as_str()), "{path} is in two layers");
        }
        paths
    }

    /// All members by name; only a directory may be in two layers, and must be the same in both.
    #[track_caller]
    pub fn members(&self) -> BTreeMap<&str, &Member> {
        let mut members: BTreeMap<&str, &Member> = BTreeMap::new();
        for member in self.layers.iter().flat_map(|layer| &layer.members) {
            if let Some(before) = members.insert(&member.name, member) {
                assert_eq!(member.kind, "directory", "{} is there twice", member.name);
                assert_eq!(before, member);
            }
        }
        members
    }
}
