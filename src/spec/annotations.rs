//! `annotations`: the manifest's.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ArgumentError;
use super::read::{At, no_nul, set, text};

/// Texts by names that are not empty (image-spec, annotations.md, "Rules").
pub(super) fn annotations(at: At, value: &Value) -> Result<BTreeMap<String, String>, ArgumentError> {
    named_texts(at, value, "an annotation")
}

/// A set of strings under names that are not empty: annotations, and a configuration's labels.
pub(super) fn named_texts(
    at: At,
    value: &Value,
    what: &str,
) -> Result<BTreeMap<String, String>, ArgumentError> {
    let accepted =
        "a set of strings such as { \"org.opencontainers.image.source\" = \"https://example.org\"; }";
    let texts = set(at, value, accepted)?;
    texts
        .iter()
        .map(|(name, value)| {
            let at = at.key(name);
            no_nul(at, name)?;
            match name.is_empty() {
                true => Err(at.error(format!("found an empty name, accepted: {what} with a name"))),
                false => Ok((name.clone(), text(at, value, "a string")?.to_owned())),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn annotations_are_named_texts() {
        let read = |value| annotations(At::Arguments.key("annotations"), &value).map_err(|e| e.to_string());
        let texts = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(read(json!({})), Ok(texts(&[])));
        assert_eq!(
            read(json!({ "a.b": "", "c": { "\0string": "/nix/store/x" } })),
            Ok(texts(&[("a.b", ""), ("c", "/nix/store/x")]))
        );
        for (value, message) in [
            (
                json!({ "": "x" }),
                r#"annotations."": found an empty name, accepted: an annotation with a name"#,
            ),
            (json!({ "a.b": 1 }), r#"annotations."a.b": found an integer (1), accepted: a string"#),
            (json!({ "a": null }), "annotations.a: found null, accepted: a string"),
        ] {
            assert_eq!(read(value), Err(message.to_owned()));
        }
        for value in [json!(null), json!([]), json!("a=b")] {
            assert!(read(value.clone()).is_err(), "{value}");
        }
    }
}
