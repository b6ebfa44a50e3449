//! `contents` and `copyToRoot`: what is linked or copied into `/`.
//!
//! While evaluating these are packages, paths and strings, and the context of a string decides
//! whether Nix will build and keep what it names. In the builder they are plain paths.

use std::path::PathBuf;

use serde_json::Value;

use super::read::{At, Found, attributes, integer, list, no_nul, quote, text};
use super::{ArgumentError, Source};

/// nixpkgs' `lib.meta.defaultPriority`.
const DEFAULT_PRIORITY: i64 = 5;

const ITEM: &str = "a package, a path, or a string with the context of one";

/// The argument as the user wrote it: one item or a list of them.
pub(super) fn written(at: At, value: &Value) -> Result<(), ArgumentError> {
    match Found::of(value) {
        Found::List(items) => {
            items.iter().enumerate().try_for_each(|(i, item)| written_item(at.index(i), item))
        }
        _ => written_item(at, value),
    }
}

pub(super) fn written_item(at: At, value: &Value) -> Result<(), ArgumentError> {
    match Found::of(value) {
        Found::Context(text) | Found::Path(text) if text.starts_with('/') => Ok(()),
        Found::Context(text) => {
            Err(at.error(format!("found {}, which is not an absolute path, accepted: {ITEM}", quote(text))))
        }
        Found::Text(text) => Err(at.error(format!(
            "found {}, a string without context, which Nix would neither build nor keep: \
             use the package or path itself, not its name (or builtins.storePath)",
            quote(text)
        ))),
        Found::Set(_) | Found::Unread => {
            Err(at.error(format!("found a set without outPath, accepted: {ITEM}")))
        }
        _ => Err(at.wrong(value, ITEM)),
    }
}

/// The argument as the derivation carries it: a list of `{ "path": ..., "priority": ... }`.
pub(super) fn carried(at: At, value: &Value) -> Result<Vec<Source>, ArgumentError> {
    let items = list(at, value, "a list of { path, priority }")?;
    items.iter().enumerate().map(|(i, item)| carried_item(at.index(i), item)).collect()
}

fn carried_item(at: At, value: &Value) -> Result<Source, ArgumentError> {
    let item = attributes(at, value, "{ path, priority }", &["path", "priority"])?;
    let path = match item.get("path") {
        Some(path) => absolute(at.key("path"), path)?,
        None => return Err(at.key("path").error("missing, accepted: an absolute path")),
    };
    let priority = match item.get("priority") {
        Some(priority) => integer(at.key("priority"), priority, i64::MIN, i64::MAX, "an integer")?,
        None => DEFAULT_PRIORITY,
    };
    Ok(Source { path, priority })
}

/// Absolute and without `..`. Whether it lies in the store is for whoever knows where the store is.
pub(super) fn absolute(at: At, value: &Value) -> Result<PathBuf, ArgumentError> {
    let accepted = "an absolute path without \"..\"";
    let path = text(at, value, accepted)?;
    no_nul(at, path)?;
    match path.starts_with('/') && path.split('/').all(|component| component != "..") {
        true => Ok(PathBuf::from(path)),
        false => Err(at.wrong_text(path, accepted)),
    }
}

/// The same, or `null`.
pub(super) fn absolute_or_null(at: At, value: &Value) -> Result<Option<PathBuf>, ArgumentError> {
    match value {
        Value::Null => Ok(None),
        path => absolute(at, path).map(Some),
    }
}

/// A list of such paths.
pub(super) fn absolute_list(at: At, value: &Value) -> Result<Vec<PathBuf>, ArgumentError> {
    let paths = list(at, value, "a list of paths")?;
    paths.iter().enumerate().map(|(i, path)| absolute(at.index(i), path)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: At = At::Key(&At::Arguments, "contents");

    #[test]
    fn packages_paths_and_lists_of_them_are_accepted() {
        let package = json!({ "\0string": "/nix/store/x-hello" });
        let path = json!({ "\0path": "/home/me/files" });
        for value in [json!([]), json!([package, path]), package, path] {
            assert_eq!(written(AT, &value), Ok(()), "{value}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_what_it_is() {
        let item = "a package, a path, or a string with the context of one";
        for (value, message) in [
            (json!(null), format!("found null, accepted: {item}")),
            (json!(3), format!("found an integer (3), accepted: {item}")),
            (json!({}), format!("found a set without outPath, accepted: {item}")),
            (json!({ "\0set": true }), format!("found a set without outPath, accepted: {item}")),
            (json!({ "\0function": true }), format!("found a function, accepted: {item}")),
            (json!([]), format!("found a list, accepted: {item}")),
            (json!({ "\0bytes": "\u{fffd}" }), "\"\u{fffd}\" is not valid UTF-8".to_owned()),
            (
                json!({ "\0string": "see /nix/store/x" }),
                format!("found \"see /nix/store/x\", which is not an absolute path, accepted: {item}"),
            ),
            (
                json!("bash"),
                "found \"bash\", a string without context, which Nix would neither build nor keep: \
                 use the package or path itself, not its name (or builtins.storePath)"
                    .to_owned(),
            ),
        ] {
            let in_list = json!([{ "\0path": "/a" }, value]);
            assert_eq!(written(AT, &in_list).unwrap_err().to_string(), format!("contents[1]: {message}"));
        }
    }

    #[test]
    fn the_derivation_carries_paths_and_priorities() {
        let value = json!([{ "path": "/nix/store/x", "priority": -10 }, { "path": "/nix/store/y/etc" }]);
        assert_eq!(
            carried(AT, &value),
            Ok(vec![
                Source { path: "/nix/store/x".into(), priority: -10 },
                Source { path: "/nix/store/y/etc".into(), priority: 5 },
            ])
        );
        for (value, message) in [
            (
                json!("/nix/store/x"),
                "contents: found \"/nix/store/x\", accepted: a list of { path, priority }",
            ),
            (json!([{}]), "contents[0].path: missing, accepted: an absolute path"),
            (
                json!([{ "path": "x" }]),
                "contents[0].path: found \"x\", accepted: an absolute path without \"..\"",
            ),
            (
                json!([{ "path": "/a/../b" }]),
                "contents[0].path: found \"/a/../b\", accepted: an absolute path without \"..\"",
            ),
            (
                json!([{ "path": "/a", "prioriti": 1 }]),
                "contents[0].prioriti: unknown attribute, did you mean \"priority\"?",
            ),
            (
                json!([{ "path": "/a", "priority": "high" }]),
                "contents[0].priority: found \"high\", accepted: an integer",
            ),
        ] {
            assert_eq!(carried(AT, &value).unwrap_err().to_string(), message);
        }
    }
}
