//! `directories` and `perms`: modes and owners in the root layer.
//!
//! The first by path, made where they are missing; the second by glob, in order, on what is there.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::read::{At, Found, attributes, list, no_nul, quote, set, string};
use super::{ArgumentError, DirectoryRule, PartialOwner, PermissionRule, owner, pattern, sources};

/// Files that a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Files {
    /// A glob over absolute paths: `*` and `?` within a component, `**` any number of components,
    /// `[abc]` a class.
    Glob(String),
    /// Those of one source.
    Source {
        /// A path of `copy_to_root`, or a store path, as it is written there.
        source: PathBuf,
        /// Found anywhere in the path that a file has in the store: a regular expression that means the
        /// same in RE2 (Go, nix2container) and in the crate regex.
        regex: String,
    },
}

/// The argument `directories`, in the order of the paths.
pub(super) fn directories(at: At, value: &Value) -> Result<Vec<DirectoryRule>, ArgumentError> {
    let rules = set(at, value, "a set such as { \"/tmp\" = { mode = \"1777\"; }; }")?;
    let read = |(path, rule): (&String, &Value)| {
        let at = at.key(path);
        let accepted = "a set such as { mode = \"1777\"; }, or { }";
        let path = image_path(at, path)?;
        let rule = attributes(at, rule, accepted, &["mode", "uid", "gid", "uname", "gname"])?;
        Ok(DirectoryRule { path, mode: optional(at, rule, "mode", mode)?, owner: partial_owner(at, rule)? })
    };
    rules.iter().map(read).collect()
}

/// The argument `perms` as the user wrote it.
pub(super) fn written_perms(at: At, value: &Value) -> Result<(), ArgumentError> {
    for (i, rule) in perms(at, value)?.iter().enumerate() {
        if let (Files::Source { .. }, Some(source)) = (&rule.files, value[i].get("source")) {
            sources::written_item(at.index(i).key("source"), source)?;
        }
    }
    Ok(())
}

/// The argument `perms`.
pub(super) fn perms(at: At, value: &Value) -> Result<Vec<PermissionRule>, ArgumentError> {
    let accepted = "a list of sets such as { path = \"/var/**\"; mode = \"0750\"; }";
    list(at, value, accepted)?
        .iter()
        .enumerate()
        .map(|(i, rule)| permission_rule(at.index(i), rule))
        .collect()
}

fn permission_rule(at: At, value: &Value) -> Result<PermissionRule, ArgumentError> {
    let accepted = "a set such as { path = \"/var/**\"; mode = \"0750\"; }";
    let known = ["path", "source", "regex", "mode", "uid", "gid", "uname", "gname"];
    let rule = attributes(at, value, accepted, &known)?;
    let files = match (rule.get("path"), rule.get("source"), rule.get("regex")) {
        (Some(path), None, None) => Files::Glob(glob(at.key("path"), path)?),
        (None, Some(source), Some(regex)) => Files::Source {
            source: sources::absolute(at.key("source"), source)?,
            regex: pattern::regex(at.key("regex"), regex)?,
        },
        (Some(_), _, Some(_)) => {
            let message = "cannot be given beside path, a glob in the image; it belongs to source";
            return Err(at.key("regex").error(message));
        }
        (Some(_), Some(_), None) => {
            return Err(at.key("source").error("cannot be given beside path, a glob in the image"));
        }
        (None, Some(_), None) => return Err(at.key("regex").error("required beside source, but missing")),
        (None, None, Some(_)) => return Err(at.key("source").error("required beside regex, but missing")),
        (None, None, None) => return Err(at.key("path").error("required, but missing")),
    };
    if !rule.keys().any(|key| ["mode", "uid", "gid", "uname", "gname"].contains(&key.as_str())) {
        return Err(at.error("found a path alone, accepted: with it, one of mode, uid, gid, uname, gname"));
    }
    Ok(PermissionRule { files, mode: optional(at, rule, "mode", mode)?, owner: partial_owner(at, rule)? })
}

/// A path in the image: absolute, and written in the one way in which a layer names it.
pub(super) fn image_path(at: At, path: &str) -> Result<PathBuf, ArgumentError> {
    no_nul(at, path)?;
    let normal = |below: &str| below.split('/').all(|component| !matches!(component, "" | "." | ".."));
    if path != "/" && !path.strip_prefix('/').is_some_and(normal) {
        return Err(at.wrong_text(path, "an absolute path without \".\", \"..\" and needless slashes"));
    }
    // image-spec, layer.md, "Whiteouts".
    match path.contains("/.wh.") {
        true => Err(at.error(format!("found {}: a name with \".wh.\" would delete a file", quote(path)))),
        false => Ok(PathBuf::from(path)),
    }
}

/// Permission bits, set-user-ID, set-group-ID and sticky bit included. A string, because 755 in Nix is
/// decimal and so another mode.
fn mode(at: At, value: &Value) -> Result<u32, ArgumentError> {
    let accepted = "a string of 3 or 4 octal digits such as \"0755\"";
    let octal = |text: &str| match text.bytes().all(|digit| matches!(digit, b'0'..=b'7')) {
        true if matches!(text.len(), 3 | 4) => u32::from_str_radix(text, 8).ok(),
        _ => None,
    };
    if let Found::Integer(found) = Found::of(value) {
        let written = found.to_string();
        let hint = octal(&written).map(|_| format!(", so write mode = {written:?}")).unwrap_or_default();
        return Err(at.error(format!(
            "found an integer ({found}), accepted: {accepted}; integers in Nix are decimal{hint}"
        )));
    }
    let text = string(at, value, accepted)?;
    octal(text).ok_or_else(|| at.wrong_text(text, accepted))
}

/// A glob over absolute paths.
fn glob(at: At, value: &Value) -> Result<String, ArgumentError> {
    let glob = string(at, value, "a glob over absolute paths such as \"/var/**\"")?;
    image_path(at, glob)?;
    for component in glob.split('/') {
        if component.contains("**") && component != "**" {
            return Err(at.error(format!("found {}: \"**\" stands for whole components only", quote(glob))));
        }
        if !classes_end(component) {
            return Err(
                at.error(format!("found {}: a \"[\" without \"]\"; \"[[]\" is the character", quote(glob)))
            );
        }
    }
    Ok(glob.to_owned())
}

/// Whether every `[` of a component begins a class that ends in it. The first character of a class
/// belongs to it, also if it is `]` (glob(7)).
fn classes_end(component: &str) -> bool {
    let mut rest = component;
    while let Some((_, class)) = rest.split_once('[') {
        let members = class.strip_prefix(['!', '^']).unwrap_or(class);
        match members.char_indices().skip(1).find(|(_, c)| *c == ']') {
            Some((end, _)) => rest = &members[end + 1..],
            None => return false,
        }
    }
    true
}

fn partial_owner(at: At, rule: &Map<String, Value>) -> Result<PartialOwner, ArgumentError> {
    Ok(PartialOwner {
        uid: optional(at, rule, "uid", owner::id)?,
        gid: optional(at, rule, "gid", owner::id)?,
        uname: optional(at, rule, "uname", owner::name)?,
        gname: optional(at, rule, "gname", owner::name)?,
    })
}

fn optional<T>(
    at: At,
    rule: &Map<String, Value>,
    key: &str,
    reader: fn(At, &Value) -> Result<T, ArgumentError>,
) -> Result<Option<T>, ArgumentError> {
    rule.get(key).map(|value| reader(at.key(key), value)).transpose()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: At = At::Key(&At::Arguments, "x");

    fn refused<T: std::fmt::Debug>(result: Result<T, ArgumentError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn directories_say_as_much_as_they_like() {
        let value = json!({
            "/": {}, "/tmp": { "mode": "1777" },
            "/var/lib/app": { "mode": "750", "uid": 1, "gid": 2, "uname": "a", "gname": "b" }
        });
        let rule = |path: &str, mode, owner| DirectoryRule { path: path.into(), mode, owner };
        let owner =
            PartialOwner { uid: Some(1), gid: Some(2), uname: Some("a".into()), gname: Some("b".into()) };
        assert_eq!(
            directories(AT, &value),
            Ok(vec![
                rule("/", None, PartialOwner::default()),
                rule("/tmp", Some(0o1777), PartialOwner::default()),
                rule("/var/lib/app", Some(0o750), owner),
            ])
        );
        for (value, message) in [
            (json!([]), r#"x: found a list, accepted: a set such as { "/tmp" = { mode = "1777"; }; }"#),
            (
                json!({ "/a": "755" }),
                r#"x."/a": found "755", accepted: a set such as { mode = "1777"; }, or { }"#,
            ),
            (json!({ "/a": { "mod": "755" } }), r#"x."/a".mod: unknown attribute, did you mean "mode"?"#),
            (
                json!({ "/a": { "uid": -1 } }),
                r#"x."/a".uid: found an integer (-1), accepted: an integer from 0 to 4294967294"#,
            ),
        ] {
            assert_eq!(refused(directories(AT, &value)), message);
        }
    }

    #[test]
    fn paths_are_absolute_and_written_in_one_way() {
        for right in ["/", "/tmp", "/a b/.c/d..e", "/...", "/a.wh.b"] {
            assert_eq!(image_path(AT, right), Ok(right.into()));
        }
        for wrong in ["", "tmp", "./tmp", "//", "/tmp/", "/a//b", "/a/./b", "/a/../b", "/..", "/."] {
            assert_eq!(
                refused(image_path(AT, wrong)),
                format!(
                    "x: found {wrong:?}, accepted: an absolute path without \".\", \"..\" and needless slashes"
                )
            );
        }
        assert!(refused(image_path(AT, "/a/.wh.b")).contains("would delete a file"));
        assert!(refused(image_path(AT, "/a\0")).contains("NUL"));
    }

    #[test]
    fn modes_are_octal_digits_in_a_string() {
        for (text, bits) in [("755", 0o755), ("0755", 0o755), ("4755", 0o4755), ("7777", 0o7777), ("000", 0)]
        {
            assert_eq!(mode(AT, &json!(text)), Ok(bits), "{text}");
        }
        let accepted = r#"accepted: a string of 3 or 4 octal digits such as "0755""#;
        for wrong in ["", "7", "77", "07777 ", "10000", "0o755", "789", "u+x", "+755"] {
            assert_eq!(refused(mode(AT, &json!(wrong))), format!("x: found {wrong:?}, {accepted}"));
        }
        assert_eq!(
            refused(mode(AT, &json!(755))),
            format!(
                r#"x: found an integer (755), {accepted}; integers in Nix are decimal, so write mode = "755""#
            )
        );
        assert_eq!(
            refused(mode(AT, &json!(493))),
            format!("x: found an integer (493), {accepted}; integers in Nix are decimal")
        );
        assert_eq!(refused(mode(AT, &json!(null))), format!("x: found null, {accepted}"));
    }

    #[test]
    fn permissions_have_a_glob_and_something_to_set() {
        let rule = |path: &str, mode, owner| PermissionRule { files: Files::Glob(path.into()), mode, owner };
        assert_eq!(
            perms(AT, &json!([{ "path": "/bin/*", "mode": "4755" }, { "path": "/var/**", "uid": 1 }])),
            Ok(vec![
                rule("/bin/*", Some(0o4755), PartialOwner::default()),
                rule("/var/**", None, PartialOwner { uid: Some(1), ..PartialOwner::default() }),
            ])
        );
        for (value, message) in [
            (
                json!({}),
                "x: found a set, accepted: a list of sets such as { path = \"/var/**\"; mode = \"0750\"; }",
            ),
            (
                json!(["/a"]),
                "x[0]: found \"/a\", accepted: a set such as { path = \"/var/**\"; mode = \"0750\"; }",
            ),
            (json!([{ "mode": "755" }]), "x[0].path: required, but missing"),
            (
                json!([{ "source": "/nix/store/a", "mode": "755" }]),
                "x[0].regex: required beside source, but missing",
            ),
            (json!([{ "regex": "a", "mode": "755" }]), "x[0].source: required beside regex, but missing"),
            (
                json!([{ "path": "/a", "regex": "a", "mode": "755" }]),
                "x[0].regex: cannot be given beside path, a glob in the image; it belongs to source",
            ),
            (
                json!([{ "path": "/a", "source": "/nix/store/a", "mode": "755" }]),
                "x[0].source: cannot be given beside path, a glob in the image",
            ),
            (
                json!([{ "path": "/a" }]),
                "x[0]: found a path alone, accepted: with it, one of mode, uid, gid, uname, gname",
            ),
            (
                json!([{ "path": "/a", "owner": 0 }]),
                "x[0].owner: unknown attribute, accepted: path, source, regex, mode, uid, gid, uname, gname",
            ),
        ] {
            assert_eq!(refused(perms(AT, &value)), message);
        }
    }

    #[test]
    fn globs() {
        for right in ["/", "/**", "/a/**/b", "/a/*.so.?", "/[abc]", "/[!a-z]x[]]", "/[[]", "/a]"] {
            assert_eq!(glob(AT, &json!(right)).as_deref(), Ok(right));
        }
        for (wrong, message) in [
            ("a/*", "accepted: an absolute path"),
            ("/a/../*", "accepted: an absolute path"),
            ("/a/", "accepted: an absolute path"),
            ("/a**", "\"**\" stands for whole components only"),
            ("/***", "\"**\" stands for whole components only"),
            ("/[abc", "a \"[\" without \"]\""),
            ("/[]", "a \"[\" without \"]\""),
            ("/[a/b]", "a \"[\" without \"]\""),
        ] {
            let error = refused(glob(AT, &json!(wrong)));
            assert!(error.starts_with(&format!("x: found {wrong:?}")) && error.contains(message), "{error}");
        }
        let path = json!({ "\0path": "/var" });
        assert_eq!(
            refused(glob(AT, &path)),
            "x: found a path (/var), accepted: a glob over absolute paths such as \"/var/**\""
        );
    }
}
