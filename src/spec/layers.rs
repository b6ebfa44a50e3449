//! `layers`: explicit layers, bottom first.
//!
//! While evaluating, the paths of each; in the builder, what the derivation of each made. How many there
//! may be, and whether there may be any, is the same question at both places.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::derivation::DEFAULT_MAX_LAYERS;
use super::read::{At, Found, boolean, list};
use super::sources::{self, absolute_list};
use super::{ArgumentError, layering};

/// The argument as the user wrote it, beside the other arguments.
pub(super) fn written(at: At, value: &Value, arguments: &Map<String, Value>) -> Result<(), ArgumentError> {
    let layers = list(at, value, "a list of layers, each a path or a list of paths")?;
    for (i, layer) in layers.iter().enumerate() {
        let at = at.index(i);
        match Found::of(layer) {
            Found::List([]) => return Err(at.error("found an empty list, accepted: one path or more")),
            _ => sources::written(at, layer)?,
        }
    }
    beside(at, layers.len(), arguments)
}

/// The argument as the derivation of the image carries it.
pub(super) fn carried(arguments: &Map<String, Value>) -> Result<Vec<PathBuf>, ArgumentError> {
    let Some(value) = arguments.get("layers") else { return Ok(Vec::new()) };
    let at = At::Arguments.key("layers");
    let layers = absolute_list(at, value)?;
    beside(at, layers.len(), arguments)?;
    Ok(layers)
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
        for (value, message) in [
            (
                package.clone(),
                "layers: found \"/nix/store/x-hello\", accepted: a list of layers, each a path or a list of paths",
            ),
            (json!([[]]), "layers[0]: found an empty list, accepted: one path or more"),
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
