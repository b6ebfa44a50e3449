//! Where an image is: `[docker://][HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST]`.
//!
//! Grammar and Docker Hub's rules are those of <https://github.com/distribution/reference> (regexp.go,
//! normalize.go): a first part without dot or colon that is not `localhost` is no host but a part of a
//! name on docker.io, whose images of one part are in `library/`.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::RegistryError;
use crate::digest::Digest;

/// Characters of a name, registry included (distribution/reference, `NameTotalLengthMax`).
const LONGEST_NAME: usize = 255;

/// Characters of a tag (distribution/reference, `TagRegexp`).
const LONGEST_TAG: usize = 128;

/// Docker Hub's name in references.
pub(super) const DOCKER_HUB: &str = "docker.io";

/// An image, or a repository, on a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// `HOST[:PORT]` as images are named after it; `docker.io` for Docker Hub.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path, with `library/` where Docker Hub has it.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was given: it alone decides then.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same, pinned.
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference { digest: Some(digest), ..self.clone() }
    }

    /// `HOST[:PORT]` to connect to.
    pub fn host(&self) -> &str {
        match self.registry.as_str() {
            DOCKER_HUB => "registry-1.docker.io",
            host => host,
        }
    }

    /// What is asked for in a URL: the digest, or the tag, or `latest`.
    pub(super) fn wanted(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_string(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Reference, RegistryError> {
        let refuse = |what: &str| {
            let found = text.chars().take(100).collect();
            Err(RegistryError::Reference { found, what: what.to_string() })
        };
        let rest = text.strip_prefix("docker://").unwrap_or(text);
        if rest.contains("://") {
            return refuse("only docker:// images can be pulled, and a reference is no URL");
        }
        let (rest, digest) = match rest.split_once('@') {
            None => (rest, None),
            Some((_, digest)) if digest.starts_with("sha512:") => {
                return refuse("sha512 digests are not supported, use the image's sha256 digest");
            }
            Some((rest, digest)) => match digest.parse() {
                Ok(digest) => (rest, Some(digest)),
                Err(_) => {
                    return refuse(
                        "after the \"@\" belongs \"sha256:\" and 64 lower-case hexadecimal digits",
                    );
                }
            },
        };
        // A colon after the last slash starts a tag; one before it, a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') && !name.is_empty() => (name, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return refuse(
                "a tag has 1 to 128 characters of A-Z, a-z, 0-9, \"_\", \".\" and \"-\", the first not \".\" or \"-\"",
            );
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if looks_like_host(first) => (first, path),
            _ => (DOCKER_HUB, name),
        };
        let registry = match registry.to_ascii_lowercase().as_str() {
            "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_string(),
            other => other.to_string(),
        };
        if !is_host(&registry) {
            return refuse("the part before the first \"/\" is no HOST[:PORT]");
        }
        if path.is_empty() {
            return refuse("the name is missing");
        }
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return refuse("a name has no upper-case letters");
        }
        if !path.split('/').all(is_path_component) {
            return refuse(
                "each part of a name is made of a-z and 0-9, with \".\", \"_\", \"__\" or \"-\" between",
            );
        }
        let repository = match registry == DOCKER_HUB && !path.contains('/') {
            true => format!("library/{path}"),
            false => path.to_string(),
        };
        if registry.len() + 1 + repository.len() > LONGEST_NAME {
            return refuse("a name has 255 characters at most, registry included");
        }
        Ok(Reference { registry, repository, tag: tag.map(str::to_string), digest })
    }
}

/// Without Go's rule that a capital makes a host: in lower case, as hosts are kept, it would be none.
fn looks_like_host(first: &str) -> bool {
    first.eq_ignore_ascii_case("localhost") || first.contains(['.', ':', '['])
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= LONGEST_TAG
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(component: &str) -> bool {
    let separator = |b: u8| matches!(b, b'.' | b'_' | b'-');
    let right = |run: &[u8]| matches!(run, b"." | b"_" | b"__") || run.iter().all(|b| *b == b'-');
    let bytes = component.as_bytes();
    bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || separator(*b))
        && bytes.first().is_some_and(|b| !separator(*b))
        && bytes.last().is_some_and(|b| !separator(*b))
        && bytes.chunk_by(|a, b| separator(*a) == separator(*b)).all(|run| !separator(run[0]) || right(run))
}

/// A host name, an IPv4 address or a bracketed IPv6 address, and perhaps a port.
pub(super) fn is_host(text: &str) -> bool {
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        // No zones and no IPv4-mapped addresses, as regexp.go says.
        return !address.contains('.')
            && address.parse::<Ipv6Addr>().is_ok()
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.split('.').all(label) && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    // The names and what becomes of them are normalize_test.go's and reference_test.go's.
    #[test]
    fn docker_hubs_rules() {
        for (found, whole) in [
            ("redis", "docker.io/library/redis"),
            ("docker://redis:7", "docker.io/library/redis:7"),
            ("fooo/bar", "docker.io/fooo/bar"),
            ("docker.io/fooo/bar", "docker.io/fooo/bar"),
            ("index.docker.io/redis", "docker.io/library/redis"),
            ("registry-1.docker.io/library/redis", "docker.io/library/redis"),
            ("localhost/bar", "localhost/bar"),
            ("localhost:5000/bar:1.2", "localhost:5000/bar:1.2"),
            ("[::1]:5000/x", "[::1]:5000/x"),
            ("xn--n3h.com/myimage:x", "xn--n3h.com/myimage:x"),
            ("192.168.1.1/repo", "192.168.1.1/repo"),
            ("GHCR.io/team/app", "ghcr.io/team/app"),
            ("Uppercase:tag", ""),
            ("Uppercase/app", ""),
            ("LOCALHOST/app", "localhost/app"),
            ("test:5000/repo", "test:5000/repo"),
            ("team/a__b--c.d", "docker.io/team/a__b--c.d"),
        ] {
            match (found.parse::<Reference>(), whole) {
                (Ok(read), _) => assert_eq!(read.to_string(), whole, "{found}"),
                (Err(_), "") => {}
                (Err(e), _) => panic!("{e}"),
            }
        }
        assert_eq!("redis".parse::<Reference>().unwrap().host(), "registry-1.docker.io");
    }

    #[test]
    fn bad_references_are_refused() {
        let long = "a".repeat(300);
        for wrong in [
            "",
            ":tag",
            "@",
            "Team/App",
            "a..b",
            "../a",
            "a//b",
            "/a",
            "a/",
            "a b",
            "a@b",
            "a\n",
            "a\0",
            "é",
            "a___b",
            "a._b",
            "-a",
            "a-",
            "host:1/a:b:c",
            "host:0/a",
            "host:65536/a",
            "host:/a",
            "a:",
            "a:.x",
            "a:b c",
            "http://host/a",
            "[fe80::1%eth0]/a",
            "[::ffff:1.2.3.4]/a",
            "[::1]",
            "a@sha256:",
            "u@h/a",
            "host.test/",
            "a:x@md5:d41d8cd98f00b204e9800998ecf8427e",
            "a@sha256:../../x",
            &long,
            &format!("a@{DIGEST}0"),
            &format!("a@{}", &DIGEST[..70]),
            &format!("a@{}", DIGEST.to_uppercase()),
            &format!("a@{DIGEST}\n"),
            &format!("a@{DIGEST}\0"),
            &format!("a@{DIGEST}@{DIGEST}"),
            &format!("a:{}", "t".repeat(129)),
        ] {
            let error = wrong.parse::<Reference>().expect_err(wrong);
            assert_eq!(error.kind(), super::super::Kind::Usage);
        }
    }

    #[test]
    fn a_digest_decides_over_a_tag() {
        let both: Reference = format!("a:1@{DIGEST}").parse().unwrap();
        assert_eq!((both.tag(), both.wanted().as_str()), (Some("1"), DIGEST));
        let tagged: Reference = "a".parse().unwrap();
        assert_eq!(tagged.wanted(), "latest");
        assert_eq!(tagged.with_digest(DIGEST.parse().unwrap()).wanted(), DIGEST);
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(text in "\\PC{0,12}|[A-Za-z0-9._:/@\\[\\]-]{0,40}|[a-z]{1,3}(\\.[a-z]{1,3}(:[0-9]{1,6})?)?(/[a-z0-9_.-]{1,4}){1,3}(:[a-z.]{1,3})?") {
            if let Ok(read) = text.parse::<Reference>() {
                prop_assert_eq!(read.to_string().parse::<Reference>().unwrap(), read.clone());
                prop_assert!(!read.repository().contains("..") && !read.repository().contains("//"));
                prop_assert!(read.to_string().bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }
}
