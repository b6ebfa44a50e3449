//! The specification of the check as a whole: order, unknown arguments, every argument reached.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::spec::{ImageSpec, LayerSpec, RootSpec, Step};

fn error(arguments: Value) -> String {
    check(&arguments).unwrap_err().to_string()
}

#[test]
fn a_name_is_all_that_is_needed() {
    assert_eq!(check(&json!({ "name": "app" })), Ok(()));
    assert_eq!(error(json!({})), "name: required, but missing");
    assert_eq!(error(json!([])), "found a list, accepted: a set of arguments");
    assert_eq!(error(json!({ "\0function": true })), "found a function, accepted: a set of arguments");
}

#[test]
fn everything_at_once() {
    let package = json!({ "\0string": "/nix/store/0c5b7yxgk2znr9lxfk4x1lqg8mvmjzdc-hello" });
    let mut arguments = json!({
        "name": "registry.example:5000/Team/App", "tag": { "\0string": "1.2" }, "contents": [package],
        "copyToRoot": { "\0path": "/home/me/files" }, "keepContentsDirlinks": false, "layers": [package, [package]],
        "config": { "Entrypoint": [package], "Env": ["A=b"] },
        "architecture": "arm", "os": "linux", "variant": "v7", "created": "now", "mtime": 1,
        "uid": 1000, "gid": 1000, "uname": "app", "gname": "app",
        "includeStorePaths": true, "includeCopiedPaths": false, "includeNixDB": true,
        "maxLayers": 127, "minLayerSize": 1_000_000,
        "layering": [["split_paths", [package, { "children_of": package }]], ["over", "main", ["popularity_contest"]]],
        "fromImage": package, "inheritConfig": "all", "manifests": null,
        "format": "layout", "compression": "zstd", "compressionLevel": 19, "compressor": "none",
        "annotations": { "a": "b" },
        "system": "x86_64-linux", "meta": { "\0set": true }, "passthru": { "tests": { "\0function": true } }
    });
    let mut commands = json!({
        "directories": { "/tmp": { "mode": "1777" } }, "users": { "app": { "uid": 1000 } },
        "perms": [{ "path": "/var/**", "uid": 1000 }], "extraCommands": { "\0string": "a" },
        "fakeRootCommands": "b", "enableFakechroot": true, "runAsRoot": "c", "shell": package, "path": [package]
    });
    arguments.as_object_mut().unwrap().append(commands.as_object_mut().unwrap());
    assert_eq!(arguments.as_object().map(Map::len), Some(ARGUMENTS.len()));
    assert_eq!(check(&arguments), Ok(()));
}

#[test]
fn unknown_arguments_are_answered_with_the_nearest() {
    for (found, meant) in [
        ("copytoRoot", "copyToRoot"),
        ("content", "contents"),
        ("maxlayers", "maxLayers"),
        ("compresion", "compression"),
        ("runasroot", "runAsRoot"),
        ("arquitecture", "architecture"),
    ] {
        assert_eq!(
            error(json!({ "name": "app", found: 1 })),
            format!("{found}: unknown argument, did you mean {meant:?}?")
        );
    }
    assert_eq!(
        error(json!({ "name": "app", "diskSize": 1024 })),
        "diskSize: unknown argument, accepted: name, tag, contents, copyToRoot, keepContentsDirlinks, layers, \
         fromImage, inheritConfig, config, architecture, os, variant, created, mtime, uid, gid, uname, gname, \
         directories, users, perms, extraCommands, fakeRootCommands, enableFakechroot, runAsRoot, shell, path, \
         includeStorePaths, includeCopiedPaths, includeNixDB, maxLayers, minLayerSize, layering, format, \
         compression, compressionLevel, compressor, annotations, manifests, system, meta, passthru"
    );
}

#[test]
fn the_first_problem_is_an_unknown_name_then_a_missing_one_then_the_first_argument() {
    let mut arguments = json!({ "zzz": 1, "yyy": 1, "tag": 3, "system": 3, "contents": "x" });
    assert!(error(arguments.clone()).starts_with("yyy: unknown argument"));
    let set = arguments.as_object_mut().unwrap();
    set.remove("yyy");
    set.remove("zzz");
    assert!(error(arguments.clone()).starts_with("name: required, but missing"));
    for (key, right) in [("name", "app"), ("tag", "1")] {
        arguments[key] = json!(right);
    }
    assert!(error(arguments.clone()).starts_with("contents: found \"x\", a string without context"));
    arguments["contents"] = json!([]);
    assert!(error(arguments).starts_with("system: found an integer (3)"));
}

#[test]
fn no_argument_takes_a_function_or_bytes() {
    for (name, _) in ARGUMENTS {
        let mut arguments = json!({ "name": "app" });
        arguments[name] = json!({ "\0function": true });
        assert!(
            error(arguments.clone()).starts_with(&format!("{name}: found a function, accepted: ")),
            "{name}"
        );
        arguments[name] = json!({ "\0bytes": "\u{fffd}" });
        assert_eq!(error(arguments), format!("{name}: \"\u{fffd}\" is not valid UTF-8"));
    }
}

#[test]
fn null_is_a_value_of_few_arguments_only() {
    for (name, _) in ARGUMENTS {
        let mut arguments = json!({ "name": "app" });
        arguments[name] = json!(null);
        let optional = ["tag", "variant", "compressionLevel", "fromImage", "manifests", "runAsRoot", "shell"];
        let accepted = optional.contains(&name);
        assert_eq!(check(&arguments).is_ok(), accepted, "{name}");
    }
}

#[test]
fn errors_name_the_attribute_what_was_found_and_what_is_accepted() {
    assert_eq!(
        error(json!({ "name": "app", "config": { "ExposedPorts": { "80/tcpp": {} } } })),
        "config.ExposedPorts.\"80/tcpp\": found \"80/tcpp\", accepted: a port from 1 to 65535 or a range, \
         then /tcp, /udp or /sctp"
    );
    assert_eq!(
        error(json!({ "name": "app", "config": { "Env": ["A=b", "PATH"] } })),
        "config.Env[1]: found \"PATH\", accepted: \"NAME=value\" with a name"
    );
}

#[test]
fn meta_and_passthru_are_sets_that_nobody_looks_into() {
    for name in ["meta", "passthru"] {
        for right in [json!({}), json!({ "\0set": true }), json!({ "x": { "\0bytes": "\u{fffd}" } })] {
            assert_eq!(check(&json!({ "name": "app", name: right })), Ok(()));
        }
        assert_eq!(
            error(json!({ "name": "app", name: [] })),
            format!("{name}: found a list, accepted: a set")
        );
    }
}

#[test]
fn large_arguments_are_refused_with_short_messages() {
    let env = json!({ "name": "app", "config": { "Env": [format!("A={}", "x".repeat(50 << 20))] } });
    assert!(error(env).starts_with("config: found 52428"));
    let message = error(json!({ "name": "x".repeat(1 << 20) }));
    assert!(message.len() < 200, "{message}");
}

/// Names that lead somewhere, so that arbitrary values reach the readers behind them.
fn keys() -> impl Strategy<Value = String> {
    let mut names: Vec<String> = ARGUMENTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for name in [
        "User",
        "ExposedPorts",
        "Env",
        "Cmd",
        "Volumes",
        "WorkingDir",
        "Labels",
        "StopSignal",
        "Healthcheck",
        "Test",
        "Retries",
        "Tty",
        "80/tcp",
        "/data",
        "path",
        "priority",
        "mode",
        "group",
        "home",
        "description",
        "app",
        "children_of",
        "\0string",
        "\0path",
        "\0bytes",
        "",
    ] {
        names.push(name.to_owned());
    }
    prop_oneof![8 => proptest::sample::select(names), 1 => "\\PC{0,6}"]
}

fn texts() -> impl Strategy<Value = String> {
    let known = [
        "",
        "now",
        "1970-01-01T00:00:00Z",
        "pipe",
        "over",
        "map",
        "split_paths",
        "limit_layers",
        "remove_paths",
        "size",
        "gzip",
        "A=b",
        "CMD",
        "SIGTERM",
        "SIGRTMIN+1",
        "0:0",
        "[::1]:5/a",
        "/a/../b",
        "/nix/store/x",
        "/var/**",
        "/[",
        "0755",
        "stream",
        "gz",
        "\0",
        "é:é",
    ];
    prop_oneof![proptest::sample::select(known.to_vec()).prop_map(str::to_owned), any::<String>()]
}

/// Arguments as the evaluator may write them, tags and all.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        texts().prop_map(Value::from),
        texts().prop_map(|text| json!({ "\0string": text })),
        texts().prop_map(|text| json!({ "\0path": text })),
        texts().prop_map(|text| json!({ "\0bytes": text })),
        Just(json!({ "\0function": true })),
        Just(json!({ "\0set": true })),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((keys(), inner), 0..5)
                .prop_map(|pairs| pairs.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

/// A single argument beside a right name.
fn one_argument() -> impl Strategy<Value = (usize, Value)> {
    (0..ARGUMENTS.len(), values())
}

/// The set or list that has, or should have, the last step of `path`.
fn holder_of<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    let (_, way) = path.split_last().unwrap_or((&Step::Index(0), &[]));
    way.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

proptest! {
    #[test]
    fn arbitrary_values_give_an_answer_of_one_line_at_a_place_that_exists(value in values()) {
        let errors = [
            check(&value).err(),
            RootSpec::from_json(&value).err(),
            LayerSpec::from_json(&value).err(),
            ImageSpec::from_json(&value).err(),
        ];
        for error in errors.into_iter().flatten() {
            prop_assert!(!error.message.is_empty());
            prop_assert!(!error.message.contains('\n') && !error.message.ends_with('.'));
            prop_assert!(holder_of(&value, &error.path).is_some(), "{error}");
        }
    }

    #[test]
    fn an_argument_that_is_wrong_is_the_one_that_is_named((index, value) in one_argument()) {
        let (name, _) = ARGUMENTS[index];
        let mut arguments = json!({ "name": "app" });
        arguments[name] = value;
        let named = match check(&arguments) {
            Err(error) => error.path[0].clone(),
            Ok(()) => return Ok(()),
        };
        // A script is refused for the lack of a shell.
        let lacking = matches!(name, "extraCommands" | "fakeRootCommands" | "runAsRoot") && named == Step::Key("shell".to_owned());
        prop_assert!(lacking || named == Step::Key(name.to_owned()));
    }

    #[test]
    fn an_accepted_configuration_is_plain_and_stays_accepted(value in values(), key in keys()) {
        if let Ok(config) = config::config(At::Arguments, &json!({ key: value })) {
            prop_assert!(!Value::from(config.clone()).to_string().contains("\\u0000"));
            prop_assert_eq!(config::config(At::Arguments, &config.clone().into()), Ok(config));
        }
    }
}

#[test]
fn plain_nix_knows_the_same_arguments() {
    let list = include_str!("../../nix/arguments.nix");
    let names: Vec<&str> =
        list.lines().filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix('"')).collect();
    assert_eq!(names, ARGUMENTS.map(|(name, _)| name));
}
