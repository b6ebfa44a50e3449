//! `NAME:TAG`, under which an image is kept in a docker-archive.
//!
//! Read as skopeo reads the destination `docker-archive:FILE:NAME:TAG`: `ParseNormalizedNamed` of
//! <https://github.com/distribution/reference> (normalize.go, regexp.go), then `TagNameOnly`.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Characters of a full name (distribution/reference, `NameTotalLengthMax`).
const LONGEST_NAME: usize = 255;
/// Characters of a tag (distribution/reference, `TagRegexp`).
const LONGEST_TAG: usize = 128;

/// A full name and a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    name: String,
    tag: String,
}

/// Why a text is not a [`Destination`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no name for an image in an archive: {why}")]
pub struct InvalidDestination {
    text: String,
    why: &'static str,
}

impl Destination {
    /// The name with its registry: `docker.io/library/alpine`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tag; `latest` if there was none.
    pub fn tag(&self) -> &str {
        &self.tag
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.tag)
    }
}

impl FromStr for Destination {
    type Err = InvalidDestination;

    fn from_str(text: &str) -> Result<Destination, InvalidDestination> {
        let wrong = |why| Err(InvalidDestination { text: text.chars().take(300).collect(), why });
        if text.contains('@') {
            return wrong("expected a tag, found a digest or an index");
        }
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return wrong("64 hexadecimal digits would be an image's ID");
        }
        let (domain, rest) = match text.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => ("docker.io", text),
        };
        let domain = if domain == "index.docker.io" { "docker.io" } else { domain };
        let (path, tag) = rest.split_once(':').unwrap_or((rest, "latest"));
        if path.contains(|c: char| c.is_uppercase()) {
            return wrong("a repository is in lower case");
        }
        if !is_domain(domain) {
            return wrong("expected a host, or a host and a port, before the first slash");
        }
        if !path.split('/').all(is_component) {
            return wrong("expected parts of a-z and 0-9, with . _ __ or - between, and / between the parts");
        }
        if !is_tag(tag) {
            return wrong(
                "expected a tag of up to 128 characters of A-Z, a-z, 0-9, _, . and -, the first not . or -",
            );
        }
        let library = if domain == "docker.io" && !path.contains('/') { "library/" } else { "" };
        let name = format!("{domain}/{library}{path}");
        if name.len() > LONGEST_NAME {
            return wrong("a name has 255 characters at most, registry included");
        }
        Ok(Destination { name, tag: tag.to_string() })
    }
}

/// A host name, an IPv4 address or a bracketed IPv6 address, and perhaps a port.
fn is_domain(domain: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if let Some((address, port)) = domain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return !address.contains('.')
            && address.parse::<Ipv6Addr>().is_ok()
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = domain.split_once(':').map_or((domain, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let separator = |c: char| matches!(c, '.' | '_' | '-');
    let known = component.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9') || separator(c));
    let between = component
        .split(|c| !separator(c))
        .all(|run| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|b| b == b'-'));
    known
        && between
        && !component.is_empty()
        && !component.starts_with(separator)
        && !component.ends_with(separator)
}

/// `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`
fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= LONGEST_TAG
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}
