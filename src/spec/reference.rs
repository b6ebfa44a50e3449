//! `name` and `tag`: the reference that an image is known by.
//!
//! The grammar is that of <https://github.com/distribution/reference> (regexp.go), which Docker,
//! containerd, podman and skopeo share. Upper case, which dockerTools users write, is lowered first.

use std::net::Ipv6Addr;

use serde_json::Value;

use super::ArgumentError;
use super::read::{At, Found, quote, text};

/// Characters of a name, registry included (distribution/reference, `NameTotalLengthMax`).
const LONGEST_NAME: usize = 255;

/// Characters of a tag (distribution/reference, `TagRegexp`).
const LONGEST_TAG: usize = 128;

const NAME: &str = "a repository such as \"app\", \"team/app\" or \"registry.example:5000/team/app\"";

/// The argument `name`, in lower case.
pub(super) fn name(at: At, value: &Value) -> Result<String, ArgumentError> {
    let found = text(at, value, NAME)?;
    let refuse = |why: &str| Err(at.error(format!("found {}, {why}", quote(found))));
    if found.contains('@') {
        return refuse("a name has no digest: the image's digest comes from its contents");
    }
    if found.contains("..") || found.contains("//") || found.starts_with('/') || found.ends_with('/') {
        return refuse("a name has no empty part, no \"..\", and no \"/\" at its ends");
    }
    let name = found.to_ascii_lowercase();
    if name.len() > LONGEST_NAME {
        return refuse(&format!("a name has {LONGEST_NAME} characters at most, registry included"));
    }
    if let Some((repository, tag)) = name.rsplit_once(':')
        && !tag.contains('/')
        && is_name(repository)
    {
        return refuse("a tag does not belong in the name, use the argument `tag`");
    }
    match is_name(&name) {
        true => Ok(name),
        false => refuse(&format!("accepted: {NAME}, each part made of a-z and 0-9 with . _ __ or - between")),
    }
}

/// `[host[:port]/]path`, in lower case.
fn is_name(name: &str) -> bool {
    is_path(name) || name.split_once('/').is_some_and(|(domain, path)| is_domain(domain) && is_path(path))
}

fn is_path(path: &str) -> bool {
    path.split('/').all(is_path_component)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(component: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut rest = component.as_bytes();
    loop {
        let word = rest.iter().take_while(|b| alphanumeric(**b)).count();
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        if rest.is_empty() {
            return true;
        }
        let separator = rest.iter().take_while(|b| !alphanumeric(**b)).count();
        match &rest[..separator] {
            b"." | b"_" | b"__" => {}
            dashes if dashes.iter().all(|b| *b == b'-') => {}
            _ => return false,
        }
        rest = &rest[separator..];
    }
}

/// A host name, an IPv4 address or a bracketed IPv6 address, and perhaps a port.
fn is_domain(domain: &str) -> bool {
    if let Some(rest) = domain.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        // No zones and no IPv4-mapped addresses, as regexp.go says.
        return !address.contains('.')
            && address.parse::<Ipv6Addr>().is_ok()
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = match domain.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (domain, None),
    };
    host.split('.').all(is_domain_component) && port.is_none_or(is_port)
}

fn is_domain_component(component: &str) -> bool {
    !component.is_empty()
        && !component.starts_with('-')
        && !component.ends_with('-')
        && component.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// The argument `tag`; `null` stands for one made from the image's inputs.
pub(super) fn tag(at: At, value: &Value) -> Result<Option<String>, ArgumentError> {
    match Found::of(value) {
        Found::Null => Ok(None),
        _ => given_tag(at, value).map(Some),
    }
}

/// A tag, not `null`: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
pub(super) fn given_tag(at: At, value: &Value) -> Result<String, ArgumentError> {
    let accepted = format!(
        "a tag of 1 to {LONGEST_TAG} characters of A-Z, a-z, 0-9, \"_\", \".\" and \"-\", the first not \".\" or \"-\""
    );
    let tag = text(at, value, &accepted)?;
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let right = tag.len() <= LONGEST_TAG
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'));
    match right {
        true => Ok(tag.to_owned()),
        false => Err(at.wrong_text(tag, &accepted)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<String, String> {
        name(At::Arguments.key("name"), &json!(text)).map_err(|e| e.to_string())
    }

    #[test]
    fn names_of_distribution_references_own_tests() {
        // reference_test.go, TestReferenceParse and TestDomainAndPath, without their tags and digests.
        let longest = format!("{}a", "a/".repeat(127));
        for right in [
            "test_com",
            "test.com",
            "test.com/repo",
            "test:5000/repo",
            "sub-dom1.foo.com/bar/baz/quux",
            "b.gcr.io/test.example.com/my-app",
            "xn--n3h.com/myimage",
            "foo/foo_bar.com",
            "192.168.1.1/repo",
            "192.168.1.1:5000/repo",
            "[2001:db8::1]/repo",
            "[2001:db8:1:2:3:4:5:6]/repo",
            "[::1]:5000/repo",
            "a__b--c.d/e",
            &longest,
        ] {
            assert_eq!(read(right).as_deref(), Ok(right));
        }
        let too_long = format!("{}a", "a/".repeat(128));
        for wrong in [
            "",
            ":justtag",
            "aa/asdf$$^/aa",
            "[2001:db8::1]",
            "[2001:db8::1]:5000",
            "[fe80::1%eth0]:5000/repo",
            "[::ffff:1.2.3.4]/repo",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a._b",
            "a b",
            "a\n",
            "é",
            "test:0/repo",
            "test:65536/repo",
            "test:/repo",
            "-test:1/repo",
            &too_long,
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn upper_case_is_lowered() {
        assert_eq!(read("GHCR.io/Team/App").as_deref(), Ok("ghcr.io/team/app"));
    }

    #[test]
    fn errors_say_what_to_do() {
        for (wrong, message) in [
            ("app:1.2", "a tag does not belong in the name, use the argument `tag`"),
            ("test.com:5000", "a tag does not belong in the name, use the argument `tag`"),
            ("host:5000/app:1", "a tag does not belong in the name, use the argument `tag`"),
            ("app@sha256:00", "a name has no digest: the image's digest comes from its contents"),
            ("a//b", "a name has no empty part, no \"..\", and no \"/\" at its ends"),
            ("../a", "a name has no empty part, no \"..\", and no \"/\" at its ends"),
        ] {
            assert_eq!(read(wrong), Err(format!("name: found {wrong:?}, {message}")));
        }
        assert_eq!(
            name(At::Arguments.key("name"), &json!(3)).unwrap_err().to_string(),
            format!("name: found an integer (3), accepted: {NAME}")
        );
    }

    #[test]
    fn tags() {
        let read = |value| tag(At::Arguments.key("tag"), &value);
        assert_eq!(read(json!(null)), Ok(None));
        let longest = "a".repeat(128);
        for right in ["latest", "_", "1.2-rc.1", "A", &longest] {
            assert_eq!(read(json!(right)), Ok(Some(right.to_owned())));
        }
        let too_long = "a".repeat(129);
        for wrong in ["", "a b", "-a", ".a", "a:b", "a/b", "é", "a+b", &too_long] {
            assert!(read(json!(wrong)).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_name_is_lower_case_short_and_stable(text in "\\PC{0,12}|[A-Za-z0-9._:/\\[\\]-]{0,30}") {
            if let Ok(name) = read(&text) {
                prop_assert!(!name.bytes().any(|b| b.is_ascii_uppercase()));
                prop_assert!(name.is_ascii() && name.len() <= LONGEST_NAME);
                prop_assert!(!name.contains("//") && !name.contains(".."));
                prop_assert_eq!(read(&name), Ok(name.clone()));
                // A reference is taken apart at the last colon after the last slash.
                prop_assert!(!name.rsplit('/').next().unwrap_or_default().contains(':'));
            }
        }
    }
}
