//! `config`: the image configuration's `config` object, key by key.
//!
//! Keys and types are those of image-spec (config.md, "Properties") and of Docker (moby,
//! `api/types/container/config.go`, which adds health checks, `Shell`, `OnBuild` and what nixpkgs'
//! dockerTools lets through unread). What runtimes are known to mistreat is refused here: see
//! [`process`] and [`surface`] for the rules that have a CVE behind them.

mod command;
mod process;
mod surface;

use serde_json::{Map, Value};

use super::ArgumentError;
use super::annotations::named_texts;
use super::nearest::unknown;
use super::read::{At, Found, boolean, integer, set, text};

/// Bytes of the configuration's JSON. containers/image and containerd read no larger documents
/// (containers/image, `iolimits.MaxConfigBodySize`).
const LARGEST: usize = 4 << 20;

/// Reads the value of one key and gives back what is written to the image.
type Reader = fn(At, &Value) -> Result<Value, ArgumentError>;

/// The names of the keys.
pub(super) fn keys() -> impl Iterator<Item = &'static str> + Clone {
    KEYS.iter().map(|(key, _)| *key)
}

/// The keys, in the order of image-spec, then Docker's.
const KEYS: [(&str, Reader); 25] = [
    ("User", process::user),
    ("ExposedPorts", surface::exposed_ports),
    ("Env", process::env),
    ("Entrypoint", command::words),
    ("Cmd", command::words),
    ("Volumes", surface::volumes),
    ("WorkingDir", process::working_dir),
    ("Labels", labels),
    ("StopSignal", process::stop_signal),
    ("ArgsEscaped", flag),
    ("Healthcheck", healthcheck),
    ("Shell", command::words),
    ("OnBuild", command::instructions),
    ("StopTimeout", stop_timeout),
    ("Hostname", string),
    ("Domainname", string),
    ("Tty", flag),
    ("OpenStdin", flag),
    ("StdinOnce", flag),
    ("AttachStdin", flag),
    ("AttachStdout", flag),
    ("AttachStderr", flag),
    ("NetworkDisabled", flag),
    ("Image", string),
    ("MacAddress", string),
];

/// The keys of `Healthcheck` (moby, `HealthConfig`); durations are nanoseconds, as in Go.
const HEALTHCHECK_KEYS: [(&str, Reader); 6] = [
    ("Test", command::health_test),
    ("Interval", duration),
    ("Timeout", duration),
    ("StartPeriod", duration),
    ("StartInterval", duration),
    ("Retries", retries),
];

/// The argument `config`, checked, without its `null`s.
pub(super) fn config(at: At, value: &Value) -> Result<Map<String, Value>, ArgumentError> {
    let config = known_keys(at, value, &KEYS, "a set such as { Cmd = [ \"/bin/app\" ]; }")?;
    let size = json_size(&config);
    match size > LARGEST {
        true => Err(at.error(format!(
            "found {size} bytes of JSON, accepted: {LARGEST} bytes at most, because no client reads a larger configuration"
        ))),
        false => Ok(config),
    }
}

/// A set of `keys`. A key whose value is `null` counts as left out.
fn known_keys(
    at: At,
    value: &Value,
    keys: &[(&str, Reader)],
    accepted: &str,
) -> Result<Map<String, Value>, ArgumentError> {
    let found = set(at, value, accepted)?;
    if let Some(key) = found.keys().find(|key| !keys.iter().any(|(known, _)| known == key)) {
        return Err(at.key(key).error(unknown("key", key, keys.iter().map(|(known, _)| *known))));
    }
    let mut read = Map::new();
    for (key, reader) in keys {
        match found.get(*key) {
            Some(value) if Found::of(value) != Found::Null => {
                read.insert((*key).to_owned(), reader(at.key(key), value)?);
            }
            _ => {}
        }
    }
    Ok(read)
}

fn string(at: At, value: &Value) -> Result<Value, ArgumentError> {
    text(at, value, "a string").map(Value::from)
}

fn flag(at: At, value: &Value) -> Result<Value, ArgumentError> {
    boolean(at, value).map(Value::from)
}

fn labels(at: At, value: &Value) -> Result<Value, ArgumentError> {
    let labels = named_texts(at, value, "a label")?;
    Ok(labels.into_iter().map(|(name, value)| (name, Value::from(value))).collect::<Map<_, _>>().into())
}

fn stop_timeout(at: At, value: &Value) -> Result<Value, ArgumentError> {
    integer(at, value, 0, i64::MAX, "an integer of seconds, 0 or more").map(Value::from)
}

fn healthcheck(at: At, value: &Value) -> Result<Value, ArgumentError> {
    known_keys(at, value, &HEALTHCHECK_KEYS, "a set such as { Test = [ \"CMD\" \"/bin/check\" ]; }")
        .map(Value::from)
}

fn duration(at: At, value: &Value) -> Result<Value, ArgumentError> {
    integer(at, value, 0, i64::MAX, "an integer of nanoseconds, 0 or more (30 s is 30000000000)")
        .map(Value::from)
}

fn retries(at: At, value: &Value) -> Result<Value, ArgumentError> {
    integer(at, value, 0, i64::MAX, "an integer, 0 or more").map(Value::from)
}

/// Bytes of `map` as JSON. Its values come from the readers above, so their nesting is shallow.
fn json_size(map: &Map<String, Value>) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, map) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Value, String> {
        config(At::Arguments.key("config"), &value).map(Value::from).map_err(|e| e.to_string())
    }

    #[test]
    fn a_whole_configuration_passes_unchanged() {
        let value = json!({
            "User": "1000:1000", "ExposedPorts": { "80/tcp": {} }, "Env": ["A=b"], "Entrypoint": ["/e"],
            "Cmd": ["c"], "Volumes": { "/data": {} }, "WorkingDir": "/w", "Labels": { "a": "b" },
            "StopSignal": "SIGTERM", "ArgsEscaped": true, "Shell": ["/bin/sh", "-c"], "OnBuild": ["RUN x"],
            "Healthcheck": {
                "Test": ["CMD", "x"], "Interval": 30_000_000_000_i64, "Timeout": 0, "StartPeriod": 1,
                "StartInterval": 1, "Retries": 3
            },
            "StopTimeout": 10, "Hostname": "h", "Domainname": "d", "Tty": false, "OpenStdin": false,
            "StdinOnce": false, "AttachStdin": false, "AttachStdout": false, "AttachStderr": false,
            "NetworkDisabled": false, "Image": "", "MacAddress": "00:00:00:00:00:00"
        });
        assert_eq!(value.as_object().map(Map::len), Some(KEYS.len()));
        assert_eq!(read(value.clone()), Ok(value));
    }

    #[test]
    fn nulls_are_left_out_and_strings_lose_their_context() {
        let value = json!({
            "Cmd": null, "Labels": { "p": { "\0path": "/p" } }, "Healthcheck": { "Test": null, "Retries": 1 },
            "Entrypoint": [{ "\0string": "/nix/store/x/bin/x" }], "WorkingDir": { "\0string": "/nix/store/x" }
        });
        let written = json!({
            "Labels": { "p": "/p" }, "Healthcheck": { "Retries": 1 }, "Entrypoint": ["/nix/store/x/bin/x"],
            "WorkingDir": "/nix/store/x"
        });
        assert_eq!(read(value), Ok(written));
    }

    #[test]
    fn unknown_keys_are_answered_with_the_nearest() {
        for (key, right) in [
            ("cmd", "Cmd"),
            ("entrypoint", "Entrypoint"),
            ("EntryPoint", "Entrypoint"),
            ("exposedPorts", "ExposedPorts"),
            ("HealthCheck", "Healthcheck"),
            ("WorkDir", "WorkingDir"),
            ("onbuild", "OnBuild"),
            ("Enviroment", ""),
        ] {
            let error = read(json!({ key: null })).unwrap_err();
            match right {
                "" => {
                    assert!(error.starts_with("config.Enviroment: unknown key, accepted: User, "), "{error}")
                }
                _ => assert_eq!(error, format!("config.{key}: unknown key, did you mean {right:?}?")),
            }
        }
        assert_eq!(
            read(json!({ "Healthcheck": { "interval": 1 } })),
            Err("config.Healthcheck.interval: unknown key, did you mean \"Interval\"?".to_owned())
        );
    }

    #[test]
    fn values_of_a_wrong_type_are_refused() {
        for (value, message) in [
            (json!(null), "config: found null, accepted: a set such as { Cmd = [ \"/bin/app\" ]; }"),
            (json!([]), "config: found a list, accepted: a set such as { Cmd = [ \"/bin/app\" ]; }"),
            (json!({ "Tty": "yes" }), "config.Tty: found \"yes\", accepted: true or false"),
            (json!({ "Hostname": 1 }), "config.Hostname: found an integer (1), accepted: a string"),
            (json!({ "Labels": { "a": 1 } }), "config.Labels.a: found an integer (1), accepted: a string"),
            (
                json!({ "Labels": { "": "x" } }),
                "config.Labels.\"\": found an empty name, accepted: a label with a name",
            ),
            (
                json!({ "StopTimeout": -1 }),
                "config.StopTimeout: found an integer (-1), accepted: an integer of seconds, 0 or more",
            ),
            (
                json!({ "Healthcheck": { "Interval": "30s" } }),
                "config.Healthcheck.Interval: found \"30s\", accepted: an integer of nanoseconds, 0 or more (30 s is 30000000000)",
            ),
            (
                json!({ "Healthcheck": { "Retries": -1 } }),
                "config.Healthcheck.Retries: found an integer (-1), accepted: an integer, 0 or more",
            ),
            (json!({ "User": { "\0bytes": "\u{fffd}" } }), "config.User: \"\u{fffd}\" is not valid UTF-8"),
        ] {
            assert_eq!(read(value), Err(message.to_owned()));
        }
    }

    #[test]
    fn a_configuration_that_no_client_would_read_is_refused() {
        // {"Env":["A=..."]} is 14 bytes around the variable's value.
        let with = |bytes: usize| json!({ "Env": [format!("A={}", "x".repeat(bytes - 14))] });
        assert_eq!(with(100).to_string().len(), 100);
        assert!(read(with(LARGEST)).is_ok());
        assert_eq!(
            read(with(LARGEST + 1)),
            Err("config: found 4194305 bytes of JSON, accepted: 4194304 bytes at most, because no client reads a larger configuration".to_owned())
        );
    }
}
