//! `layers`: explicit layers, bottom first.
//!
//! While evaluating, the paths of each; in the builder, what the derivation of each made. How many there
//! may be, and whether there may be any, is the same question at both places.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::derivation::DEFAULT_MAX_LAYERS;
use super::read::{At, Found, attributes, boolean, list, string};
use super::sources::{self, absolute};
use super::{ArgumentError, layering, permissions};

/// What a layer's history entry says in place of what it says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LayerHistory {
    /// The program or command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// The author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// In place of the list of store paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What an element of `layers` may be.
const LAYER: &str =
    "a path, a list of paths, or a set such as { paths = [ pkgs.hello ]; copyToRoot = [ ./files ]; }";

/// The attributes of such a set.
const ATTRIBUTES: &[&str] = &["paths", "copyToRoot", "perms", "ignore", "maxLayers", "history"];

/// The argument as the user wrote it, beside the other arguments.
pub(super) fn written(at: At, value: &Value, arguments: &Map<String, Value>) -> Result<(), ArgumentError> {
    let layers = list(at, value, &format!("a list of layers, each {LAYER}"))?;
    for (i, layer) in layers.iter().enumerate() {
        let at = at.index(i);
        match Found::of(layer) {
            Found::List([]) => return Err(at.error("found an empty list, accepted: one path or more")),
            Found::Set(_) => written_set(at, layer)?,
            _ => sources::written(at, layer)?,
        }
    }
    beside(at, layers.len(), arguments)
}

/// A layer that says more than its paths.
fn written_set(at: At, value: &Value) -> Result<(), ArgumentError> {
    let layer = attributes(at, value, LAYER, ATTRIBUTES)?;
    let mut holds = false;
    for key in ["paths", "copyToRoot", "ignore"] {
        if let Some(value) = layer.get(key) {
            sources::written(at.key(key), value)?;
            holds |= key != "ignore" && !matches!(Found::of(value), Found::List([]));
        }
    }
    if !holds {
        return Err(at.error("found a layer of nothing, accepted: one path or more in paths or copyToRoot"));
    }
    if let Some(value) = layer.get("perms") {
        permissions::written_perms(at.key("perms"), value)?;
    }
    if let Some(value) = layer.get("maxLayers") {
        layering::max_layers(at.key("maxLayers"), value)?;
    }
    layer.get("history").map_or(Ok(()), |value| history(at.key("history"), value).map(drop))
}

/// What is said of a layer in the image's history.
pub(super) fn history(at: At, value: &Value) -> Result<LayerHistory, ArgumentError> {
    let accepted = "a set such as { createdBy = \"make image\"; }";
    let history = attributes(at, value, accepted, &["createdBy", "author", "comment"])?;
    let text = |key: &str| {
        history.get(key).map(|value| Ok(string(at.key(key), value, "a string")?.to_owned())).transpose()
    };
    Ok(LayerHistory { created_by: text("createdBy")?, author: text("author")?, comment: text("comment")? })
}

/// The argument as the derivation of the image carries it: an element is what the derivation of one layer made,
/// or a list of that where one element of the user's was divided.
pub(super) fn carried(arguments: &Map<String, Value>) -> Result<Vec<PathBuf>, ArgumentError> {
    let Some(value) = arguments.get("layers") else { return Ok(Vec::new()) };
    let at = At::Arguments.key("layers");
    let layers = list(at, value, "a list of paths")?;
    let mut paths = Vec::with_capacity(layers.len());
    for (i, layer) in layers.iter().enumerate() {
        let at = at.index(i);
        match Found::of(layer) {
            Found::List(parts) => {
                for (i, part) in parts.iter().enumerate() {
                    paths.push(absolute(at.index(i), part)?);
                }
            }
            _ => paths.push(absolute(at, layer)?),
        }
    }
    beside(at, layers.len(), arguments)?;
    Ok(paths)
}

/// Whether the other arguments leave room for so many explicit layers.
fn beside(at: At, count: usize, arguments: &Map<String, Value>) -> Result<(), ArgumentError> {
    let argument = |name| arguments.get(name).map(|value| (At::Arguments.key(name), value));
    let most = match argument("maxLayers") {
        Some((at, value)) => layering::max_layers(at, value)?,
        None => DEFAULT_MAX_LAYERS,
    };
    let store_paths = argument("includeStorePaths").map_or(Ok(true), |(at, value)| boolean(at, value))?;
    if count > 0 && !store_paths {
        return Err(at.error("cannot be given with includeStorePaths = false"));
    }
    // The root layer is there in any case, and max_layers at least 1.
    if count > most - 1 {
        return Err(at.error(format!(
            "found {count} layers, accepted: at most {}, because maxLayers = {most} counts the root layer, too",
            most - 1
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: Value) -> Result<(), String> {
        let Value::Object(arguments) = value else { panic!("a set") };
        written(At::Arguments.key("layers"), &arguments["layers"], &arguments).map_err(|e| e.to_string())
    }

    #[test]
    fn a_layer_is_a_path_or_a_list_of_paths() {
        let package = json!({ "\0string": "/nix/store/x-hello" });
        assert_eq!(check(json!({ "layers": [] })), Ok(()));
        assert_eq!(check(json!({ "layers": [package, [package, { "\0path": "/home/me/x" }]] })), Ok(()));
        let all = json!({ "paths": [], "copyToRoot": package, "ignore": package, "maxLayers": 3,
            "perms": [{ "path": "/bin/*", "mode": "755" }, { "source": package, "regex": "/bin", "uid": 1 }],
            "history": { "createdBy": "me", "author": "I", "comment": "mine" } });
        assert_eq!(check(json!({ "layers": [all, { "paths": package }] })), Ok(()));
        for (value, message) in [
            (
                package.clone(),
                "layers: found \"/nix/store/x-hello\", accepted: a list of layers, each a path, a list of paths, or \
                 a set such as { paths = [ pkgs.hello ]; copyToRoot = [ ./files ]; }",
            ),
            (json!([[]]), "layers[0]: found an empty list, accepted: one path or more"),
            (
                json!([{ "paths": [], "copyToRoot": [] }]),
                "layers[0]: found a layer of nothing, accepted: one path or more in paths or copyToRoot",
            ),
            (json!([{ "path": [] }]), "layers[0].path: unknown attribute, did you mean \"paths\"?"),
            (
                json!([{ "paths": package, "files": 1 }]),
                "layers[0].files: unknown attribute, accepted: paths, copyToRoot, perms, ignore, maxLayers, history",
            ),
            (
                json!([{ "paths": package, "maxLayers": 0 }]),
                "layers[0].maxLayers: found an integer (0), accepted: an integer from 1 to 127",
            ),
            (
                json!([{ "copyToRoot": package, "perms": [{ "source": "/nix/store/x", "regex": "", "uid": 1 }] }]),
                "layers[0].perms[0].source: found \"/nix/store/x\", a string without context, which Nix would \
                 neither build nor keep: use the package or path itself, not its name (or builtins.storePath)",
            ),
            (
                json!([{ "paths": package, "history": { "created_by": "me" } }]),
                "layers[0].history.created_by: unknown attribute, did you mean \"createdBy\"?",
            ),
            (
                json!([package, [3]]),
                "layers[1][0]: found an integer (3), accepted: a package, a path, or a string with the context of one",
            ),
        ] {
            assert_eq!(check(json!({ "layers": value })), Err(message.to_owned()));
        }
    }

    #[test]
    fn there_is_room_for_the_root_layer() {
        let package = json!({ "\0string": "/nix/store/x" });
        let plain = json!("/nix/store/x-layer-0");
        for (count, most, right) in
            [(0, 1, true), (1, 1, false), (1, 2, true), (99, 100, true), (100, 100, false)]
        {
            let given = json!({ "layers": vec![&package; count], "maxLayers": most });
            let derived = json!({ "layers": vec![&plain; count], "maxLayers": most });
            let carried = carried(derived.as_object().unwrap()).map(drop).map_err(|e| e.to_string());
            assert_eq!(check(given.clone()), carried);
            assert_eq!(carried.is_ok(), right, "{count} of {most}");
        }
        assert_eq!(
            check(json!({ "layers": vec![&package; 100] })),
            Err("layers: found 100 layers, accepted: at most 99, because maxLayers = 100 counts the root layer, too"
                .to_owned())
        );
    }

    #[test]
    fn without_store_paths_there_are_none() {
        assert_eq!(check(json!({ "layers": [], "includeStorePaths": false })), Ok(()));
        assert_eq!(
            check(json!({ "layers": [{ "\0string": "/nix/store/x" }], "includeStorePaths": false })),
            Err("layers: cannot be given with includeStorePaths = false".to_owned())
        );
    }
}
