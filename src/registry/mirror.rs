//! Mirrors: other places to ask first. Every blob and pinned manifest is checked by its digest, wherever it comes
//! from.

use std::str::FromStr;

use super::reference::{DOCKER_HUB, Reference, is_host};
use super::{Environment, RegistryError};

/// The variable with mirrors for everybody, separated by commas or spaces.
const VARIABLE: &str = "GANTRY_REGISTRY_MIRRORS";

/// `PREFIX=LOCATION`: what is named `PREFIX` or `PREFIX/...` is also at `LOCATION` or `LOCATION/...`, where both are
/// `HOST[:PORT][/PATH]`. The same as `prefix` and `mirror.location` in registries.conf(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    prefix: String,
    location: String,
}

impl FromStr for Mirror {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Mirror, RegistryError> {
        let whole = |place: &str| {
            let mut parts = place.split('/');
            parts.next().is_some_and(is_host)
                && parts.all(|part| !part.is_empty() && part != "." && part != "..")
        };
        match text.split_once('=') {
            Some((prefix, location)) if whole(prefix) && whole(location) => {
                Ok(Mirror { prefix: prefix.to_string(), location: location.to_string() })
            }
            _ => Err(RegistryError::Setting {
                name: "mirror".to_string(),
                what: format!(
                    "found {text:?}; accepted: PREFIX=LOCATION, such as \"docker.io=mirror.example:5000\""
                ),
            }),
        }
    }
}

/// A place where an image is to be had.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// `HOST[:PORT]` to connect to.
    pub host: String,
    /// What credentials are found under.
    pub registry: String,
    pub repository: String,
    /// Whether another place is asked if this one fails.
    pub is_mirror: bool,
}

impl Mirror {
    /// The mirrors that the environment names.
    pub(super) fn of(environment: &Environment) -> Result<Vec<Mirror>, RegistryError> {
        let list = environment.variable(VARIABLE).unwrap_or_default();
        list.split([',', ' ', '\n']).filter(|one| !one.is_empty()).map(str::parse).collect()
    }

    fn place(&self, reference: &Reference) -> Option<Place> {
        let whole = format!("{}/{}", reference.registry(), reference.repository());
        let rest =
            whole.strip_prefix(&self.prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        let place = format!("{}{rest}", self.location);
        let (host, repository) = place.split_once('/')?;
        Some(Place {
            host: hub(host).to_string(),
            registry: host.to_string(),
            repository: repository.to_string(),
            is_mirror: true,
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.is_mirror { "mirror " } else { "" }, self.host)
    }
}

fn hub(host: &str) -> &str {
    if host == DOCKER_HUB { "registry-1.docker.io" } else { host }
}

/// Where to ask for an image, the origin last.
pub(super) fn places(mirrors: &[Mirror], reference: &Reference) -> Vec<Place> {
    let origin = Place {
        host: reference.host().to_string(),
        registry: reference.registry().to_string(),
        repository: reference.repository().to_string(),
        is_mirror: false,
    };
    mirrors.iter().filter_map(|mirror| mirror.place(reference)).chain([origin]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_moved_by_prefix() {
        let found = |mirror: &str, name: &str| {
            let places = places(&[mirror.parse().unwrap()], &name.parse().unwrap());
            assert_eq!(places.last().unwrap().repository, name.parse::<Reference>().unwrap().repository());
            let first = (places.len() == 2).then(|| &places[0]);
            first.map(|place| format!("{}/{}", place.host, place.repository))
        };
        assert_eq!(found("docker.io=m.test:5000", "alpine").unwrap(), "m.test:5000/library/alpine");
        assert_eq!(found("docker.io/team=m.test/x", "team/app").unwrap(), "m.test/x/app");
        assert_eq!(found("x.test/team/app=m.test/y", "x.test/team/app").unwrap(), "m.test/y");
        assert_eq!(found("docker.io/team=m.test/x", "teams/app"), None);
        assert_eq!(found("x.test=m.test", "y.test/a"), None);
        assert_eq!(found("x.test=m.test", "x.test:5000/a"), None);
    }

    #[test]
    fn bad_mirrors_are_refused() {
        for text in ["", "x", "=", "x.test=", "x.test=https://m.test", "x.test=m.test/../y", "x.test=m.test/"]
        {
            assert!(text.parse::<Mirror>().is_err(), "{text}");
        }
    }
}
