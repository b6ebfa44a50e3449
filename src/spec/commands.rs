//! `extraCommands`, `fakeRootCommands`, `runAsRoot`, and what they are run with.
//!
//! The builder has no shell of its own, so whoever gives a script also says which shell reads it.

use serde_json::{Map, Value};

use super::read::{At, Found, boolean, string};
use super::sources::{absolute_list, absolute_or_null, written_item};
use super::{ArgumentError, Commands};

/// `extraCommands` or `fakeRootCommands` of `arguments`; an empty script is none.
pub(super) fn script(name: &str, arguments: &Map<String, Value>) -> Result<Option<String>, ArgumentError> {
    let accepted = "a shell script as a string (builtins.readFile reads one from a file)";
    let Some(value) = arguments.get(name) else { return Ok(None) };
    let script = string(At::Arguments.key(name), value, accepted)?;
    if script.is_empty() {
        return Ok(None);
    }
    match arguments.get("shell") {
        None | Some(Value::Null) => Err(At::Arguments
            .key("shell")
            .error(format!("required with {name}, for example shell = \"${{pkgs.bash}}/bin/bash\""))),
        Some(_) => Ok(Some(script.to_owned())),
    }
}

/// `runAsRoot` of `arguments`: the same, or `null` as in dockerTools.
pub(super) fn run_as_root(arguments: &Map<String, Value>) -> Result<Option<String>, ArgumentError> {
    match arguments.get("runAsRoot") {
        Some(Value::Null) => Ok(None),
        _ => script("runAsRoot", arguments),
    }
}

/// `shell` as the user wrote it.
pub(super) fn written_shell(at: At, value: &Value) -> Result<(), ArgumentError> {
    match Found::of(value) {
        Found::Null => Ok(()),
        _ => written_item(at, value),
    }
}

/// The scripts as the derivation carries them, if there are any.
pub(super) fn carried(arguments: &Map<String, Value>) -> Result<Option<Commands>, ArgumentError> {
    let extra = script("extraCommands", arguments)?;
    let fake_root = script("fakeRootCommands", arguments)?;
    let run_as_root = run_as_root(arguments)?;
    let argument = |name| arguments.get(name).map(|value| (At::Arguments.key(name), value));
    let fakechroot = argument("enableFakechroot").map_or(Ok(false), |(at, value)| boolean(at, value))?;
    let shell = argument("shell").map_or(Ok(None), |(at, value)| absolute_or_null(at, value))?;
    let path = argument("path").map_or(Ok(Vec::new()), |(at, value)| absolute_list(at, value))?;
    if extra.is_none() && fake_root.is_none() && run_as_root.is_none() {
        return Ok(None);
    }
    Ok(shell.map(|shell| Commands { extra, fake_root, fakechroot, run_as_root, shell, path }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(value: Value) -> Map<String, Value> {
        let Value::Object(arguments) = value else { panic!("a set") };
        arguments
    }

    fn refused(value: Value) -> String {
        carried(&arguments(value)).unwrap_err().to_string()
    }

    #[test]
    fn a_script_needs_a_shell() {
        for name in ["extraCommands", "fakeRootCommands", "runAsRoot"] {
            for shell in [json!({ name: "true" }), json!({ name: "true", "shell": null })] {
                assert_eq!(
                    refused(shell),
                    format!("shell: required with {name}, for example shell = \"${{pkgs.bash}}/bin/bash\"")
                );
            }
            assert_eq!(carried(&arguments(json!({ name: "" }))), Ok(None));
        }
    }

    #[test]
    fn a_shell_alone_is_no_command() {
        let alone = json!({ "shell": "/nix/store/b/bin/bash", "path": [], "enableFakechroot": true });
        assert_eq!(carried(&arguments(alone)), Ok(None));
        assert_eq!(carried(&Map::new()), Ok(None));
        assert_eq!(carried(&arguments(json!({ "runAsRoot": null }))), Ok(None));
    }

    #[test]
    fn everything_given_arrives() {
        let given = json!({
            "extraCommands": "a", "fakeRootCommands": "b", "runAsRoot": "c", "enableFakechroot": true,
            "shell": "/nix/store/b/bin/bash", "path": ["/nix/store/c"]
        });
        assert_eq!(
            carried(&arguments(given)),
            Ok(Some(Commands {
                extra: Some("a".to_owned()),
                fake_root: Some("b".to_owned()),
                fakechroot: true,
                run_as_root: Some("c".to_owned()),
                shell: "/nix/store/b/bin/bash".into(),
                path: vec!["/nix/store/c".into()],
            }))
        );
    }

    #[test]
    fn wrong_values_are_told() {
        let accepted = "accepted: a shell script as a string (builtins.readFile reads one from a file)";
        for (value, message) in [
            (json!({ "extraCommands": null }), format!("extraCommands: found null, {accepted}")),
            (
                json!({ "runAsRoot": { "\0path": "/home/me/run.sh" } }),
                format!("runAsRoot: found a path (/home/me/run.sh), {accepted}"),
            ),
            (json!({ "fakeRootCommands": ["a"] }), format!("fakeRootCommands: found a list, {accepted}")),
            (
                json!({ "enableFakechroot": 1 }),
                "enableFakechroot: found an integer (1), accepted: true or false".to_owned(),
            ),
            (
                json!({ "shell": "bash" }),
                "shell: found \"bash\", accepted: an absolute path without \"..\"".to_owned(),
            ),
            (
                json!({ "path": ["bin"] }),
                "path[0]: found \"bin\", accepted: an absolute path without \"..\"".to_owned(),
            ),
        ] {
            assert_eq!(refused(value), message);
        }
        let at = At::Arguments.key("shell");
        assert_eq!(written_shell(at, &json!(null)), Ok(()));
        assert_eq!(written_shell(at, &json!({ "\0string": "/nix/store/b/bin/bash" })), Ok(()));
        assert!(written_shell(at, &json!("/bin/sh")).unwrap_err().to_string().contains("without context"));
    }
}
