//! `auth.json`, `config.json` and `.dockercfg`: one JSON object of credentials by registry, or repository.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::credentials::Credentials;
use super::reference::DOCKER_HUB;

/// Bytes of such a file.
pub(super) const LARGEST: u64 = 4 << 20;

/// What Docker Hub is called in these files.
pub(super) const HUB_KEY: &str = "https://index.docker.io/v1/";

/// As far as it is read.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AuthFile {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    /// The helper for all registries.
    #[serde(deserialize_with = "not_empty")]
    pub creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

fn not_empty<'d, D: serde::Deserializer<'d>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

impl AuthFile {
    /// Reads one; `legacy` is `.dockercfg`, which is `auths` alone. Errors repeat nothing of the file.
    pub fn parse(bytes: &[u8], legacy: bool) -> Result<AuthFile, String> {
        let broken = |e: serde_json::Error| {
            format!("it is no JSON of credentials (line {}, column {})", e.line(), e.column())
        };
        // A struct can also be read from a list, which no such file is.
        match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
            None => return Ok(AuthFile::default()),
            Some(b'{') => {}
            Some(_) => return Err("it is no JSON object of credentials".to_string()),
        }
        match legacy {
            true => serde_json::from_slice(bytes)
                .map(|auths| AuthFile { auths, ..AuthFile::default() })
                .map_err(broken),
            false => serde_json::from_slice(bytes).map_err(broken),
        }
    }

    /// All entries: whether one has credentials, or that it is malformed.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Result<bool, String>)> {
        let read = |entry: &Entry, key: &str| entry.credentials(key).map(|found| found.is_some());
        self.auths.iter().map(move |(key, entry)| (key.as_str(), read(entry, key)))
    }

    /// All helpers: what for, and which.
    pub fn helpers(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.cred_helpers.iter().map(|(key, program)| (key.as_str(), program.as_str()));
        pairs.filter(|(_, program)| !program.is_empty())
    }

    /// The name that a helper is configured under for `registry`, and the helper's.
    pub fn helper(&self, registry: &str) -> Option<(&str, &str)> {
        let exact = self.cred_helpers.get_key_value(registry);
        let found =
            exact.or_else(|| self.cred_helpers.iter().find(|(key, _)| host_of(key) == host_of(registry)));
        found
            .map(|(key, program)| (key.as_str(), program.as_str()))
            .filter(|(_, program)| !program.is_empty())
    }

    /// The entry of the longest prefix of `registry/repository`; else one whose key means the registry in
    /// another way of writing.
    pub fn entry(&self, registry: &str, repository: &str) -> Result<Option<Credentials>, String> {
        let whole = format!("{registry}/{repository}");
        let mut prefix = whole.as_str();
        loop {
            if let Some(entry) = self.auths.get(prefix) {
                return entry.credentials(prefix);
            }
            match prefix.rfind('/') {
                Some(slash) => prefix = &prefix[..slash],
                None => break,
            }
        }
        // Only keys without a path below the host: those of other repositories must not match.
        let means_registry = |key: &&String| {
            let bare = key.trim_start_matches("https://").trim_start_matches("http://");
            let path = bare.split_once('/').map_or("", |(_, path)| path);
            host_of(key) == host_of(registry)
                && (matches!(path.trim_end_matches('/'), "" | "v1" | "v2")
                    && (bare != **key || path.is_empty()))
        };
        match self.auths.keys().find(means_registry) {
            Some(key) => self.auths[key].credentials(key),
            None => Ok(None),
        }
    }
}

/// The host of a key, under one name for Docker Hub.
fn host_of(key: &str) -> &str {
    let bare = key.trim_start_matches("https://").trim_start_matches("http://");
    match bare.split('/').next().unwrap_or_default() {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
        host => host,
    }
}

impl Entry {
    fn credentials(&self, key: &str) -> Result<Option<Credentials>, String> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credentials::IdentityToken(self.identitytoken.clone())));
        }
        if self.auth.is_empty() {
            // `{}` says that a helper knows.
            let named = !self.username.is_empty() && !self.password.is_empty();
            return Ok(named.then(|| Credentials::Password {
                user: self.username.clone(),
                password: self.password.clone(),
            }));
        }
        let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let decoded = GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(self.auth.trim());
        let decoded = decoded.map_err(|_| format!("auths.{key:?}.auth: it is no base64"))?;
        let text = String::from_utf8(decoded).map_err(|_| format!("auths.{key:?}.auth: it is no UTF-8"))?;
        let Some((user, password)) = text.split_once(':') else {
            return Err(format!("auths.{key:?}.auth: there is no colon between user and password"));
        };
        // Docker trims what old versions padded with.
        let password = password.trim_end_matches('\0').to_string();
        Ok(Some(Credentials::Password { user: user.to_string(), password }))
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn file(keys: &[&str]) -> AuthFile {
        let auths = keys.iter().map(|key| {
            let auth = STANDARD.encode(format!("{key}:p"));
            (key.to_string(), serde_json::json!({ "auth": auth }))
        });
        let auths: serde_json::Map<_, _> = auths.collect();
        AuthFile::parse(serde_json::json!({ "auths": auths }).to_string().as_bytes(), false).unwrap()
    }

    fn user(file: &AuthFile, registry: &str, repository: &str) -> Option<String> {
        // The user is the rest after the first colon, too: keys have colons.
        match file.entry(registry, repository).unwrap()? {
            Credentials::Password { user, password } => {
                Some(format!("{user}:{password}").trim_end_matches(":p").into())
            }
            Credentials::IdentityToken(_) => None,
        }
    }

    #[test]
    fn the_longest_prefix_counts() {
        let file = file(&["x.test", "x.test/team", "x.test/team/app", "y.test/team"]);
        for (repository, key) in [
            ("team/app", "x.test/team/app"),
            ("team/app/sub", "x.test/team/app"),
            ("team/application", "x.test/team"),
            ("other", "x.test"),
        ] {
            assert_eq!(user(&file, "x.test", repository).as_deref(), Some(key));
        }
        assert_eq!(user(&file, "y.test", "other"), None);
        assert_eq!(user(&file, "x.test:5000", "team"), None);
    }

    #[test]
    fn registries_have_other_ways_of_writing() {
        let hub = file(&[HUB_KEY]);
        assert_eq!(user(&hub, "docker.io", "library/alpine").as_deref(), Some(HUB_KEY));
        assert_eq!(user(&file(&["https://x.test"]), "x.test", "a").as_deref(), Some("https://x.test"));
        assert_eq!(
            user(&file(&["http://x.test:5000/v1/"]), "x.test:5000", "a").as_deref(),
            Some("http://x.test:5000/v1/")
        );
        assert_eq!(user(&file(&["https://x.test/team"]), "x.test", "a"), None);
        assert_eq!(user(&file(&["x.test/v1"]), "x.test", "a"), None);
    }

    #[test]
    fn helpers_are_found_by_host() {
        let helpers = r#"{"credHelpers":{"https://index.docker.io/v1/":"hub","x.test":"x"}}"#;
        let file = AuthFile::parse(helpers.as_bytes(), false).unwrap();
        assert_eq!(file.helper("docker.io"), Some((HUB_KEY, "hub")));
        assert_eq!(file.helper("x.test"), Some(("x.test", "x")));
        assert_eq!(file.helper("y.test"), None);
    }

    #[test]
    fn entries() {
        let read = |entry: serde_json::Value| {
            let text = serde_json::json!({ "x.test": entry }).to_string();
            AuthFile::parse(text.as_bytes(), true).unwrap().entry("x.test", "a")
        };
        let password = |user: &str, password: &str| {
            Ok(Some(Credentials::Password { user: user.into(), password: password.into() }))
        };
        assert_eq!(read(serde_json::json!({ "auth": STANDARD.encode("u:p:q\0\0") })), password("u", "p:q"));
        assert_eq!(read(serde_json::json!({ "auth": "dTpw" })), password("u", "p"));
        assert_eq!(read(serde_json::json!({ "auth": "dTpwcA" })), password("u", "pp"));
        assert_eq!(read(serde_json::json!({ "username": "u", "password": "p" })), password("u", "p"));
        assert_eq!(read(serde_json::json!({})), Ok(None));
        let token = serde_json::json!({ "auth": "PHRva2VuPjo=", "identitytoken": "t" });
        assert_eq!(read(token), Ok(Some(Credentials::IdentityToken("t".into()))));
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic_and_no_error_repeats_it(bytes in prop::collection::vec(any::<u8>(), 0..60),
                                                          auth in "[A-Za-z0-9+/=]{0,12}|\\PC{0,12}") {
            let _ = AuthFile::parse(&bytes, false).map(|file| file.entry("x.test", "a"));
            let text = serde_json::json!({ "auths": { "x.test": { "auth": auth } } }).to_string();
            if let Err(error) = AuthFile::parse(text.as_bytes(), false).unwrap().entry("x.test", "a") {
                prop_assert!(auth.len() < 4 || !error.contains(&auth));
            }
        }
    }
}
