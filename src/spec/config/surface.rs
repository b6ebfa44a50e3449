//! What a container shows outside: `Volumes` and `ExposedPorts`.
//!
//! Both are sets of empty sets in JSON, Go's way to write a set of names (image-spec, config.md).

use serde_json::{Map, Value};

use crate::spec::ArgumentError;
use crate::spec::read::{At, Found, set};

/// `Volumes`: absolute paths. `..` in one let images read the host's files (CVE-2022-23648).
pub(super) fn volumes(at: At, value: &Value) -> Result<Value, ArgumentError> {
    let accepted = "an absolute path below / without \"..\"";
    names(at, value, "a set such as { \"/data\" = { }; }", accepted, |path| {
        path.starts_with('/')
            && !path.contains('\0')
            && path.split('/').all(|component| component != "..")
            && path.split('/').any(|component| !matches!(component, "" | "."))
    })
}

/// `ExposedPorts`: `PORT`, `PORT/PROTOCOL`, and Docker's ranges of ports.
pub(super) fn exposed_ports(at: At, value: &Value) -> Result<Value, ArgumentError> {
    let accepted = "a port from 1 to 65535 or a range, then /tcp, /udp or /sctp";
    names(at, value, "a set such as { \"80/tcp\" = { }; }", accepted, |port| {
        let (range, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let ascending = port_number(first).zip(port_number(last)).is_some_and(|(first, last)| first <= last);
        ascending && matches!(protocol, "tcp" | "udp" | "sctp")
    })
}

fn port_number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok().filter(|port| *port > 0) } else { None }
}

/// A set of empty sets, each of whose names `is_right`.
fn names(
    at: At,
    value: &Value,
    form: &str,
    accepted: &str,
    is_right: impl Fn(&str) -> bool,
) -> Result<Value, ArgumentError> {
    let found = set(at, value, form)?;
    for (name, value) in found {
        let at = at.key(name);
        if !is_right(name) {
            return Err(at.wrong_text(name, accepted));
        }
        match Found::of(value) {
            Found::Set(inner) if inner.is_empty() => {}
            Found::Set(_) => return Err(at.error("found a set with attributes, accepted: { }")),
            _ => return Err(at.wrong(value, "{ }")),
        }
    }
    Ok(found.keys().map(|name| (name.clone(), Value::from(Map::new()))).collect::<Map<_, _>>().into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ports() {
        let at = At::Arguments.key("ExposedPorts");
        for right in ["80", "80/tcp", "53/udp", "9/sctp", "1", "65535", "80-90/udp", "80-80", "8000-9000"] {
            let value = json!({ right: {} });
            assert_eq!(exposed_ports(at, &value), Ok(value));
        }
        for wrong in [
            "",
            "0/tcp",
            "0",
            "65536",
            "70000",
            "80/foo",
            "80/TCP",
            "80/",
            "90-80",
            "0-1",
            "80-",
            "-80",
            "1-2-3",
            "+80",
            " 80",
            "http",
            "80/tcp/udp",
            "127.0.0.1:80",
            "8080:80",
        ] {
            assert!(exposed_ports(at, &json!({ wrong: {} })).is_err(), "{wrong:?}");
        }
        assert_eq!(
            exposed_ports(at, &json!({ "80/tcpp": {} })).unwrap_err().to_string(),
            "ExposedPorts.\"80/tcpp\": found \"80/tcpp\", accepted: a port from 1 to 65535 or a range, then /tcp, /udp or /sctp"
        );
    }

    #[test]
    fn volumes_are_paths_within_the_container() {
        let at = At::Arguments.key("Volumes");
        for right in ["/data", "/var/lib/x", "/a/", "/a..b"] {
            let value = json!({ right: {} });
            assert_eq!(volumes(at, &value), Ok(value));
        }
        for wrong in ["", "/", "/.", "a", "../x", "/a/../../b", "/..", "./a", "/a\0b"] {
            assert!(volumes(at, &json!({ wrong: {} })).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn both_are_sets_of_empty_sets() {
        let at = At::Arguments.key("Volumes");
        assert_eq!(volumes(at, &json!({})), Ok(json!({})));
        for (wrong, message) in [
            (json!(["/data"]), "Volumes: found a list, accepted: a set such as { \"/data\" = { }; }"),
            (json!({ "/a": true }), "Volumes.\"/a\": found a boolean (true), accepted: { }"),
            (json!({ "/a": null }), "Volumes.\"/a\": found null, accepted: { }"),
            (json!({ "/a": { "b": 1 } }), "Volumes.\"/a\": found a set with attributes, accepted: { }"),
        ] {
            assert_eq!(volumes(at, &wrong).unwrap_err().to_string(), message);
        }
    }
}
