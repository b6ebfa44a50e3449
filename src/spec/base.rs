//! `fromImage`, `inheritConfig` and `manifests`: images that an image is made of.

use serde_json::{Map, Value};

use super::config::keys;
use super::derivation::of_one_image;
use super::nearest::unknown;
use super::read::{At, Found, list, quote};
use super::sources::written_item;
use super::{ArgumentError, Inherit};

/// `fromImage` as the user wrote it.
pub(super) fn written_image(at: At, value: &Value) -> Result<(), ArgumentError> {
    match Found::of(value) {
        Found::Null => Ok(()),
        Found::List(_) => Err(at.wrong(value, "one image: a pullImage or ociImage result, or a path")),
        _ => written_item(at, value),
    }
}

/// `inheritConfig`: names of configuration keys, or `"all"`.
pub(super) fn inherit(at: At, value: &Value) -> Result<Inherit, ArgumentError> {
    let accepted = "\"all\" or a list of configuration keys such as [ \"Env\" ]";
    match Found::of(value) {
        Found::Text("all") | Found::Context("all") => Ok(Inherit::All),
        Found::List(_) => {
            let keys = list(at, value, accepted)?.iter().enumerate().map(|(i, key)| {
                let at = at.index(i);
                match Found::of(key) {
                    Found::Text(key) | Found::Context(key) if keys().any(|known| known == key) => {
                        Ok(key.to_owned())
                    }
                    Found::Text(key) | Found::Context(key) => Err(at.error(format!(
                        "found {}: {}",
                        quote(key),
                        unknown("configuration key", key, keys())
                    ))),
                    _ => Err(at.wrong(key, "the name of a configuration key")),
                }
            });
            Ok(Inherit::Keys(keys.collect::<Result<_, _>>()?))
        }
        _ => Err(at.wrong(value, accepted)),
    }
}

/// `manifests` as the user wrote it, beside the other arguments.
pub(super) fn written_manifests(
    at: At,
    value: &Value,
    arguments: &Map<String, Value>,
) -> Result<(), ArgumentError> {
    if matches!(Found::of(value), Found::Null) {
        return Ok(());
    }
    let images = list(at, value, "a list of ociImage and pullImage results")?;
    if images.is_empty() {
        return Err(at.error("found an empty list, accepted: one image or more"));
    }
    images.iter().enumerate().try_for_each(|(i, image)| written_item(at.index(i), image))?;
    match of_one_image().find(|key| arguments.contains_key(*key)) {
        Some(key) => {
            Err(At::Arguments.key(key).error("cannot be given with manifests, whose images say it already"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: At = At::Key(&At::Arguments, "x");

    #[test]
    fn a_base_is_one_image_with_context() {
        for value in
            [json!(null), json!({ "\0string": "/nix/store/x" }), json!({ "\0path": "/home/me/x.tar" })]
        {
            assert_eq!(written_image(AT, &value), Ok(()), "{value}");
        }
        for value in [json!("/nix/store/x"), json!([{ "\0string": "/nix/store/x" }]), json!(3)] {
            assert!(written_image(AT, &value).is_err(), "{value}");
        }
    }

    #[test]
    fn inherited_keys_are_keys_of_a_configuration() {
        assert_eq!(inherit(AT, &json!("all")), Ok(Inherit::All));
        assert_eq!(
            inherit(AT, &json!(["Env", "User"])),
            Ok(Inherit::Keys(vec!["Env".into(), "User".into()]))
        );
        let error = inherit(AT, &json!(["Env", "Uesr"])).unwrap_err().to_string();
        assert!(error.starts_with("x[1]: found \"Uesr\"") && error.contains("\"User\""), "{error}");
        assert!(inherit(AT, &json!("Env")).is_err());
    }

    #[test]
    fn an_index_has_nothing_of_an_image() {
        let image = json!({ "\0string": "/nix/store/x" });
        let given = |arguments: Value| {
            let Value::Object(arguments) = arguments else { panic!("a set") };
            written_manifests(AT, &arguments["manifests"], &arguments).map_err(|e| e.to_string())
        };
        assert_eq!(given(json!({ "manifests": [image], "tag": "1" })), Ok(()));
        assert_eq!(given(json!({ "manifests": null, "config": {} })), Ok(()));
        assert_eq!(given(json!({ "manifests": [image], "annotations": {}, "compressor": "gz" })), Ok(()));
        assert!(given(json!({ "manifests": [] })).is_err());
        for key in ["config", "users", "runAsRoot", "layers", "includeNixDB", "fromImage", "compression"] {
            let error = given(json!({ "manifests": [image], key: null })).unwrap_err();
            assert!(error.starts_with(&format!("{key}: cannot be given with manifests")), "{error}");
        }
    }
}
