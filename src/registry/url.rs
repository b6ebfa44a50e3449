//! `http` and `https` URLs, as far as registries use them: no user information, no fragment.
//!
//! What a URL displays has no query: behind a redirect it is a signature, as good as a password.

use std::fmt;
use std::net::IpAddr;

use super::reference::is_host;

/// Bytes of a URL; the signed ones of clouds have 2000 or so.
const LONGEST: usize = 16 << 10;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub origin: Origin,
    /// Path and query, from the `/` on.
    target: String,
}

/// What credentials belong to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub tls: bool,
    /// Lower case; IPv6 in brackets.
    pub host: String,
    pub port: u16,
}

impl Origin {
    /// Of `HOST[:PORT]`.
    pub fn new(tls: bool, authority: &str) -> Option<Origin> {
        if !is_host(authority) {
            return None;
        }
        let authority = authority.to_ascii_lowercase();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host.to_string(), port.parse().ok()?),
            _ => (authority.clone(), if tls { 443 } else { 80 }),
        };
        Some(Origin { tls, host, port })
    }

    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The host as an address, if it is written as one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// This machine, said without asking anybody: `localhost` or a loopback address.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.address().is_some_and(|address| address.is_loopback())
    }

    /// An address that a public server has no business to send anybody to.
    pub fn is_internal(&self) -> bool {
        self.is_loopback()
            || self.address().is_some_and(|address| match address {
                IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_unspecified(),
                IpAddr::V6(v6) => {
                    v6.is_unspecified()
                        || v6.is_unique_local()
                        || v6.is_unicast_link_local()
                        || v6.to_ipv4_mapped().is_some()
                }
            })
    }

    /// Where no server may send anybody: the metadata services of clouds live there.
    pub fn is_link_local(&self) -> bool {
        self.address().is_some_and(|address| match address {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified(),
            IpAddr::V6(v6) => {
                v6.is_unicast_link_local() || v6.is_unspecified() || v6.to_ipv4_mapped().is_some()
            }
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.host)?;
        match self.port == if self.tls { 443 } else { 80 } {
            true => Ok(()),
            false => write!(f, ":{}", self.port),
        }
    }
}

impl Url {
    pub fn new(origin: &Origin, target: String) -> Url {
        Url { origin: origin.clone(), target }
    }

    /// An absolute URL.
    pub fn parse(text: &str) -> Result<Url, &'static str> {
        if text.len() > LONGEST {
            return Err("the URL is over 16 KiB long");
        }
        // Only what a URL is made of: no control characters, spaces, or letters beyond ASCII.
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("the URL has characters that no URL has");
        }
        let (scheme, rest) = text.split_once("://").ok_or("not an absolute URL")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("neither https nor http"),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return Err("the URL has user information in it");
        }
        let origin = Origin::new(tls, authority).ok_or("the URL has no valid host")?;
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Url { origin, target: format!("{slash}{target}") })
    }

    /// What `location` means in an answer from here (RFC 3986, 5.2, without removal of dots).
    pub fn join(&self, location: &str) -> Result<Url, &'static str> {
        let scheme_end = location.find(':').filter(|end| !location[..*end].contains(['/', '?', '#']));
        if scheme_end.is_some() {
            return Url::parse(location);
        }
        if location.starts_with("//") {
            return Url::parse(&format!("{}:{location}", self.origin.scheme()));
        }
        let path = self.target.split('?').next().unwrap_or_default();
        let base = match location.chars().next() {
            None => return Err("it names no place"),
            Some('/') => "",
            Some('?') => path,
            Some(_) => &path[..path.rfind('/').map_or(0, |slash| slash + 1)],
        };
        Url::parse(&format!("{}{base}{location}", self.origin))
    }

    /// With these added to the query.
    pub fn with_query<'a>(&self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Url {
        let mut target = self.target.clone();
        for (name, value) in pairs {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(name);
            target.push('=');
            target.push_str(&encoded(value));
        }
        Url { origin: self.origin.clone(), target }
    }

    /// All of it. For requests, never for messages.
    pub fn secret(&self) -> String {
        format!("{}{}", self.origin, self.target)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        write!(f, "{}{path}{}", self.origin, if query.is_empty() { "" } else { "?…" })
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Percent-encoded for a query or a form (RFC 3986, unreserved characters stay).
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn locations_are_resolved() {
        let here = url("https://a.test:5000/v2/x/blobs/y?z=1");
        for (location, means) in [
            ("https://b.test/q?s=1", "https://b.test/q?s=1"),
            ("HTTP://b.test", "http://b.test/"),
            ("//b.test/q", "https://b.test/q"),
            ("/q?s=1", "https://a.test:5000/q?s=1"),
            ("q", "https://a.test:5000/v2/x/blobs/q"),
            ("q:1/x", ""),
            ("?s=2", "https://a.test:5000/v2/x/blobs/y?s=2"),
            ("", ""),
            ("file:///etc/passwd", ""),
            ("https://user:password@b.test/", ""),
            ("https://b.test/\r\nAuthorization: x", ""),
            ("https://", ""),
            ("https:///x", ""),
            ("https://b.test:99999/", ""),
        ] {
            let found = here.join(location).map(|url| url.secret()).unwrap_or_default();
            assert_eq!(found, means, "{location:?}");
        }
    }

    #[test]
    fn a_query_is_never_shown() {
        let url = url("https://a.test/x?X-Amz-Signature=secret#secret");
        assert_eq!(format!("{url} {url:?}"), "https://a.test/x?… https://a.test/x?…");
    }

    #[test]
    fn origins_compare_with_their_ports() {
        assert_eq!(url("https://a.test/").origin, url("https://A.test:443/x").origin);
        assert_ne!(url("https://a.test/").origin, url("https://a.test:444/").origin);
        assert_ne!(url("https://a.test:80/").origin, url("http://a.test/").origin);
        assert_eq!(url("http://[::1]:5000/x").origin.address(), Some("::1".parse().unwrap()));
    }

    #[test]
    fn internal_addresses_are_known() {
        for (text, internal, link_local) in [
            ("http://127.0.0.1/", true, false),
            ("http://localhost/", true, false),
            ("http://[::1]/", true, false),
            ("http://10.1.2.3/", true, false),
            ("http://192.168.1.1/", true, false),
            ("http://169.254.169.254/", true, true),
            ("http://[fe80::1]/", true, true),
            ("http://0.0.0.0/", true, true),
            ("http://8.8.8.8/", false, false),
            ("http://local.test/", false, false),
        ] {
            let origin = url(text).origin;
            assert_eq!((origin.is_internal(), origin.is_link_local()), (internal, link_local), "{text}");
        }
    }
}
