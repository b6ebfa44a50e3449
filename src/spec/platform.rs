//! `architecture`, `os`, `variant` in Go's names, and `system` in Nix's.
//!
//! The image specification (config.md, "architecture", "os") takes the values of `GOARCH` and
//! `GOOS`. The commonest mistake is the name that Nix or `uname -m` has for the same thing, so those
//! are known too, to be answered with the right one.

use serde_json::Value;

use super::ArgumentError;
use super::nearest::nearest;
use super::read::{At, Found, quote, text};

/// GOARCH values that images are made for.
const ARCHITECTURES: [&str; 14] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le",
    "riscv64", "s390x", "wasm",
];

/// GOOS values (`go tool dist list`).
const SYSTEMS: [&str; 15] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
];

/// The names of others for an architecture: theirs, GOARCH, the variant to go with it.
const FOREIGN: [(&str, &str, Option<&str>); 24] = [
    ("x86_64", "amd64", None),
    ("x86-64", "amd64", None),
    ("x64", "amd64", None),
    ("aarch64", "arm64", None),
    ("armv8", "arm64", None),
    ("armv8l", "arm", Some("v8")),
    ("armv7l", "arm", Some("v7")),
    ("armv7a", "arm", Some("v7")),
    ("armv7", "arm", Some("v7")),
    ("armhf", "arm", Some("v7")),
    ("armv6l", "arm", Some("v6")),
    ("armv6", "arm", Some("v6")),
    ("armv5tel", "arm", Some("v5")),
    ("i386", "386", None),
    ("i486", "386", None),
    ("i586", "386", None),
    ("i686", "386", None),
    ("x86", "386", None),
    ("powerpc64", "ppc64", None),
    ("powerpc64le", "ppc64le", None),
    ("loongarch64", "loong64", None),
    ("mipsel", "mipsle", None),
    ("mips64el", "mips64le", None),
    ("wasm32", "wasm", None),
];

/// Characters of a variant; the known ones have two.
const LONGEST_VARIANT: usize = 32;

/// The argument `architecture`.
pub(super) fn architecture(at: At, value: &Value) -> Result<String, ArgumentError> {
    let foreign = |text: &str| {
        let text = text.to_ascii_lowercase();
        FOREIGN.iter().find(|(name, ..)| *name == text).map(|(_, right, variant)| match variant {
            Some(variant) => format!("{right:?} with variant = {variant:?}"),
            None => format!("{right:?}"),
        })
    };
    one_of(at, value, "a GOARCH", &ARCHITECTURES, foreign)
}

/// The argument `os`.
pub(super) fn os(at: At, value: &Value) -> Result<String, ArgumentError> {
    let foreign = |text: &str| text.eq_ignore_ascii_case("macos").then(|| "\"darwin\"".to_owned());
    one_of(at, value, "a GOOS", &SYSTEMS, foreign)
}

fn one_of(
    at: At,
    value: &Value,
    what: &str,
    accepted: &[&str],
    foreign: impl Fn(&str) -> Option<String>,
) -> Result<String, ArgumentError> {
    let all = format!("{what}: {}", accepted.join(", "));
    let text = text(at, value, &all)?;
    if accepted.contains(&text) {
        return Ok(text.to_owned());
    }
    let near = || nearest(text, accepted.iter().copied()).map(|near| format!("{near:?}"));
    match foreign(text).or_else(near) {
        Some(right) => Err(at.error(format!("found {}, did you mean {right}?", quote(text)))),
        None => Err(at.wrong_text(text, &all)),
    }
}

/// The argument `variant`, `v7` of `arm` for example (image-spec, image-index.md, "Platform Variants").
pub(super) fn variant(at: At, value: &Value) -> Result<Option<String>, ArgumentError> {
    let accepted = "null or a variant such as \"v7\", made of A-Z, a-z, 0-9, \".\", \"_\" and \"-\"";
    if Found::of(value) == Found::Null {
        return Ok(None);
    }
    let variant = text(at, value, accepted)?;
    let right = (1..=LONGEST_VARIANT).contains(&variant.len())
        && variant.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    match right {
        true => Ok(Some(variant.to_owned())),
        false => Err(at.wrong_text(variant, accepted)),
    }
}

/// The argument `system`: a Nix system, `CPU-KERNEL`.
pub(super) fn system(at: At, value: &Value) -> Result<String, ArgumentError> {
    let accepted = "a Nix system such as \"x86_64-linux\"";
    let system = text(at, value, accepted)?;
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
    };
    match system.contains('-') && system.split('-').all(word) {
        true => Ok(system.to_owned()),
        false => Err(at.wrong_text(system, accepted)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn architectures_are_gos() {
        let read = |text: &str| architecture(At::Arguments.key("architecture"), &json!(text));
        for right in ARCHITECTURES {
            assert_eq!(read(right).as_deref(), Ok(right));
        }
        for (found, meant) in [
            ("x86_64", "\"amd64\""),
            ("aarch64", "\"arm64\""),
            ("armv7l", "\"arm\" with variant = \"v7\""),
            ("i686", "\"386\""),
            ("AMD64", "\"amd64\""),
            ("amd46", "\"amd64\""),
            ("powerpc64le", "\"ppc64le\""),
        ] {
            assert_eq!(
                read(found).unwrap_err().to_string(),
                format!("architecture: found {found:?}, did you mean {meant}?")
            );
        }
        assert_eq!(
            read("itanium").unwrap_err().to_string(),
            "architecture: found \"itanium\", accepted: a GOARCH: 386, amd64, arm, arm64, loong64, mips, \
             mips64, mips64le, mipsle, ppc64, ppc64le, riscv64, s390x, wasm"
        );
    }

    #[test]
    fn foreign_names_lead_to_known_ones() {
        for (name, right, _) in FOREIGN {
            assert!(ARCHITECTURES.contains(&right) && !ARCHITECTURES.contains(&name), "{name}");
        }
    }

    #[test]
    fn operating_systems_are_gos() {
        let read = |text: &str| os(At::Arguments.key("os"), &json!(text));
        assert_eq!(read("linux").as_deref(), Ok("linux"));
        assert_eq!(read("windows").as_deref(), Ok("windows"));
        assert_eq!(read("Linux").unwrap_err().to_string(), "os: found \"Linux\", did you mean \"linux\"?");
        assert_eq!(read("macOS").unwrap_err().to_string(), "os: found \"macOS\", did you mean \"darwin\"?");
        assert!(read("").is_err());
    }

    #[test]
    fn variants() {
        let read = |value| variant(At::Arguments.key("variant"), &value);
        assert_eq!(read(json!(null)), Ok(None));
        for right in ["v7", "v8.1", "power9"] {
            assert_eq!(read(json!(right)), Ok(Some(right.to_owned())));
        }
        for wrong in [json!(""), json!("v 7"), json!("v/7"), json!(7), json!("v".repeat(33))] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn systems_are_nixs() {
        let read = |value| system(At::Arguments.key("system"), &value);
        for right in ["x86_64-linux", "aarch64-darwin", "armv7l-linux", "x86_64-freebsd13.2"] {
            assert_eq!(read(json!(right)).as_deref(), Ok(right));
        }
        for wrong in [json!(""), json!("linux"), json!("linux/amd64"), json!("x86_64-"), json!(null)] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
