//! The proxy to a host, as curl and Go read it from the environment: `https_proxy`, `http_proxy` (lower case
//! alone: a CGI program's HTTP_PROXY is set by whoever asks), `all_proxy`, `no_proxy`.

use std::net::IpAddr;

use super::url::Origin;
use super::{Environment, RegistryError};

/// The URL of the proxy to go through; it may have a password in it.
pub(super) fn proxy_to(
    environment: &Environment,
    origin: &Origin,
) -> Result<Option<ureq::Proxy>, RegistryError> {
    let names: &[&str] = match origin.tls {
        true => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        false => &["http_proxy", "all_proxy", "ALL_PROXY"],
    };
    let Some((name, url)) = names.iter().find_map(|name| Some((*name, environment.variable(name)?))) else {
        return Ok(None);
    };
    let exceptions = environment.variable("no_proxy").or_else(|| environment.variable("NO_PROXY"));
    if origin.is_loopback() || exceptions.is_some_and(|list| is_excepted(list, origin)) {
        return Ok(None);
    }
    let error = |what: &str| RegistryError::Setting { name: name.to_string(), what: what.to_string() };
    if url.to_ascii_lowercase().starts_with("socks") {
        return Err(error(
            "SOCKS proxies are not supported, use one for HTTP or list the registry in no_proxy",
        ));
    }
    ureq::Proxy::new(url)
        .map(Some)
        .map_err(|_| error("not a proxy's URL such as \"http://proxy.example:3128\""))
}

/// Whether `no_proxy` has the host: `*`, a name (and all below it), `NAME:PORT`, an address, a CIDR block.
fn is_excepted(list: &str, origin: &Origin) -> bool {
    list.split([',', ' ', '\t']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let (Some((network, bits)), Some(address)) = (entry.split_once('/'), origin.address()) {
            return network.parse().is_ok_and(|network| is_in(address, network, bits.parse().ok()));
        }
        let (name, port) = match Origin::new(origin.tls, entry.trim_start_matches(['.', '*'])) {
            Some(named) if entry.ends_with(&format!(":{}", named.port)) => (named.host, Some(named.port)),
            Some(named) => (named.host, None),
            None => (entry.to_ascii_lowercase(), None),
        };
        if port.is_some_and(|port| port != origin.port) {
            return false;
        }
        match (origin.address(), name.trim_matches(['[', ']']).parse::<IpAddr>()) {
            (Some(address), Ok(named)) => address == named,
            (Some(_), Err(_)) => false,
            (None, _) => origin.host == name || origin.host.ends_with(&format!(".{name}")),
        }
    })
}

fn is_in(address: IpAddr, network: IpAddr, bits: Option<u32>) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        bits.is_some_and(|bits| bits <= width && (bits == 0 || a >> (width - bits) == b >> (width - bits)))
    };
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::environment;
    use super::*;

    fn host(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let (scheme, authority) = url.split_once("://").unwrap();
        let origin = Origin::new(scheme == "https", authority).unwrap();
        proxy_to(&environment(variables), &origin).unwrap().map(|proxy| proxy.host().to_string())
    }

    #[test]
    fn variables_are_chosen_by_scheme() {
        let all = [
            ("https_proxy", "http://s.test:1"),
            ("http_proxy", "http://p.test:1"),
            ("ALL_PROXY", "http://a.test"),
        ];
        assert_eq!(host(&all, "https://x.test").as_deref(), Some("s.test"));
        assert_eq!(host(&all, "http://x.test").as_deref(), Some("p.test"));
        assert_eq!(host(&all[2..], "http://x.test").as_deref(), Some("a.test"));
        assert_eq!(host(&[("HTTP_PROXY", "http://evil.test")], "http://x.test"), None);
        assert_eq!(host(&all, "https://localhost:5000"), None);
        assert_eq!(host(&all, "https://127.0.0.1"), None);
        assert_eq!(host(&[], "https://x.test"), None);
    }

    #[test]
    fn no_proxy_has_names_ports_addresses_and_blocks() {
        for (list, url, excepted) in [
            ("*", "https://x.test", true),
            ("x.test", "https://x.test", true),
            ("x.test", "https://a.x.test", true),
            (".x.test", "https://a.x.test", true),
            ("x.test", "https://yx.test", false),
            ("a, x.test:5000", "https://x.test:5000", true),
            ("x.test:5000", "https://x.test", false),
            ("10.0.0.0/8", "https://10.1.2.3", true),
            ("10.0.0.0/8", "https://11.1.2.3", false),
            ("0.0.0.0/0", "https://11.1.2.3", true),
            ("10.0.0.0/33", "https://10.0.0.0", false),
            ("fd00::/8", "https://[fd12::1]:5000", true),
            ("10.1.2.3", "https://10.1.2.3:5000", true),
            ("fd12::1", "https://[fd12::1]", true),
            ("3", "https://10.1.2.3", false),
            ("", "https://x.test", false),
        ] {
            let found = host(&[("https_proxy", "http://p.test"), ("NO_PROXY", list)], url);
            assert_eq!(found.is_none(), excepted, "{list} {url}");
        }
    }

    #[test]
    fn a_bad_proxy_is_named_by_its_variable_alone() {
        let origin = Origin::new(true, "x.test").unwrap();
        for url in ["socks5://user:secret@p.test", "http://user:secret@[p"] {
            let error = proxy_to(&environment(&[("all_proxy", url)]), &origin).unwrap_err().to_string();
            assert!(error.starts_with("all_proxy: ") && !error.contains("secret"), "{error}");
        }
    }
}
