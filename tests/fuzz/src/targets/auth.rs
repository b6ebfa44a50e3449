//! Files of credentials: `auth.json`, `config.json` and `.dockercfg`, and netrc.

use gantry::registry::fuzzing::{credentials, netrc as hosts, netrc_of};
use serde_json::Value;

/// A registry that no other name means.
const REGISTRY: &str = "registry.example:5000";
const REPOSITORY: &str = "team/app";

pub fn run(data: &[u8]) {
    for legacy in [false, true] {
        for (registry, repository) in [(REGISTRY, REPOSITORY), ("docker.io", "library/alpine")] {
            let found = credentials(data, legacy, registry, repository);
            if let (Ok(Some(_)), REGISTRY) = (&found, registry) {
                assert!(names_the_registry(data, legacy), "these are not for {REGISTRY}");
            }
            if let Err(message) = found {
                assert!(!message.is_empty());
            }
        }
    }
}

/// Whether one of the file's keys has the registry's name in it.
fn names_the_registry(data: &[u8], legacy: bool) -> bool {
    // Strings that are skipped may be no UTF-8, as in Go.
    let file: Value = serde_json::from_str(&String::from_utf8_lossy(data)).expect("it was read as JSON");
    let auths = if legacy { &file } else { &file["auths"] };
    auths.as_object().is_some_and(|auths| auths.keys().any(|key| key.contains(REGISTRY)))
}

pub fn netrc(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for (host, found) in hosts(text) {
        assert!(found.is_some(), "{host} has a password and has none");
        assert_eq!(netrc_of(text, &host.to_ascii_uppercase()), found);
    }
    if let Some((user, password)) = netrc_of(text, REGISTRY) {
        assert!(text.to_ascii_lowercase().contains(REGISTRY), "these are not for {REGISTRY}");
        assert!(text.contains(&user) && text.contains(&password));
    }
}
