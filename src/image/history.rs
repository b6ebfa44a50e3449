//! The history comment that lists a layer's store paths, in the form that nixpkgs' dockerTools gave it
//! (Python's `repr` of a list of strings), so that either tool's images tell what they hold.

use super::{History, ImageConfig};

/// The start of the comment.
const PREFIX: &str = "store paths: ";

/// The comment of a layer that holds `paths`.
pub fn comment(paths: &[String]) -> String {
    // Store path names have none of the characters that Python would escape.
    let quoted: Vec<String> = paths.iter().map(|path| format!("'{path}'")).collect();
    format!("{PREFIX}[{}]", quoted.join(", "))
}

/// The store paths that a comment lists; none if it is somebody else's comment.
pub fn store_paths(comment: &str) -> Option<Vec<String>> {
    let list = comment.strip_prefix(PREFIX)?.strip_prefix('[')?.strip_suffix(']')?;
    if list.is_empty() {
        return Some(Vec::new());
    }
    list.split(", ").map(|item| Some(item.strip_prefix('\'')?.strip_suffix('\'')?.to_string())).collect()
}

impl History {
    /// The store paths in the layer, if its comment lists them.
    pub fn store_paths(&self) -> Option<Vec<String>> {
        self.comment.as_deref().and_then(store_paths)
    }
}

/// The history entry of each layer of `config`; none where the history is of other layers.
pub fn layer_history(config: &ImageConfig) -> Vec<Option<History>> {
    let layers = config.rootfs.diff_ids.len();
    let entries: Vec<&History> =
        config.history.iter().filter(|entry| entry.empty_layer != Some(true)).collect();
    match entries.len() == layers {
        true => entries.into_iter().cloned().map(Some).collect(),
        false => vec![None; layers],
    }
}

/// The history of the layers of `config`, for an image on top of it: its own if it is that of its
/// layers, or else one entry a layer.
pub(super) fn inherited(config: &ImageConfig) -> Vec<History> {
    if layer_history(config).iter().all(Option::is_some) {
        return config.history.clone();
    }
    let entry = History {
        created: config.created.clone(),
        created_by: None,
        author: None,
        comment: Some("a layer of the base image".to_string()),
        empty_layer: None,
    };
    vec![entry; config.rootfs.diff_ids.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_pythons_list_repr() {
        // nixpkgs, stream_layered_image.py: f"store paths: {layer.paths}".
        let paths = vec!["/nix/store/a".to_string(), "/nix/store/b+c".to_string()];
        assert_eq!(comment(&paths), "store paths: ['/nix/store/a', '/nix/store/b+c']");
        assert_eq!(store_paths(&comment(&paths)), Some(paths));
        assert_eq!(store_paths(&comment(&[])), Some(vec![]));
    }

    #[test]
    fn other_comments_list_nothing() {
        for other in ["", "buildkit.dockerfile.v0", "store paths: ", "store paths: [/nix/store/a]"] {
            assert_eq!(store_paths(other), None, "{other:?}");
        }
    }
}
