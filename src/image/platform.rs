//! Which image of an index is meant: exactly containers/image's choice (pkg/platform/platform_matcher.go,
//! manifest/oci_index.go), for registries, layouts and archives, so that it is the same as skopeo's and podman's.

use std::collections::BTreeMap;

use super::Descriptor;
use crate::spec::Platform;

/// From the most capable down; a machine runs what is below its own.
const VARIANTS: [(&str, &[&str]); 2] = [("arm", &["v8", "v7", "v6", "v5"]), ("arm64", &["v8"])];

/// Set on images with zstd layers (containers/image, internal/manifest).
const ZSTD: &str = "io.github.containers.compression.zstd";

/// Which of the images for one platform, that differ in their compression, comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preferred {
    /// One with zstd layers, as containers/image 5.25 and newer (skopeo 1.12).
    #[default]
    Zstd,
    /// One without, which older ones choose where it is listed first.
    Gzip,
}

/// An entry of an index.
pub trait Entry {
    /// GOOS, GOARCH and variant, where it has a platform. A variant of `""` is none.
    fn platform(&self) -> Option<[&str; 3]>;
    /// Its annotations.
    fn annotations(&self) -> &BTreeMap<String, String>;
}

impl Entry for Descriptor {
    fn platform(&self) -> Option<[&str; 3]> {
        let platform = self.platform.as_ref()?;
        Some([&platform.os, &platform.architecture, platform.variant.as_deref().unwrap_or_default()])
    }

    fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }
}

/// The entries that will do, the best first: by variant, then by compression, then by position. An entry that names
/// no platform comes after all that match.
pub fn choose<'e, E: Entry>(wanted: &Platform, entries: &'e [E], preferred: Preferred) -> Vec<&'e E> {
    let variants = variants(wanted);
    let rank = |[os, architecture, variant]: [&str; 3]| match os == wanted.os
        && architecture == wanted.architecture
    {
        true => variants.iter().position(|fitting| *fitting == variant),
        false => None,
    };
    let mut fitting: Vec<(usize, bool, &E)> = entries
        .iter()
        .filter_map(|entry| {
            let rank = match entry.platform() {
                Some(platform) => rank(platform)?,
                None => usize::MAX,
            };
            Some((rank, has_zstd(entry) != (preferred == Preferred::Zstd), entry))
        })
        .collect();
    // Stable: the first of equals stays first.
    fitting.sort_by_key(|(rank, other, _)| (*rank, *other));
    fitting.into_iter().map(|(_, _, entry)| entry).collect()
}

fn has_zstd<E: Entry>(entry: &E) -> bool {
    entry.annotations().get(ZSTD).is_some_and(|value| value == "true")
}

/// Whether two entries of an index are for the same platform. All arm64 processors are v8.
pub fn same_platform<E: Entry>(one: &E, other: &E) -> bool {
    let variant_of = |[os, architecture, variant]: [&str; 3]| match (architecture, variant) {
        ("arm64", "v8") => [os, architecture, ""].map(str::to_owned),
        _ => [os, architecture, variant].map(str::to_owned),
    };
    one.platform().map(variant_of) == other.platform().map(variant_of)
}

/// Whether two entries differ in their compression, as an index says it.
pub fn other_compression<E: Entry>(one: &E, other: &E) -> bool {
    has_zstd(one) != has_zstd(other)
}

/// Variants that will do, the best first; `""` is an image that says none.
fn variants(wanted: &Platform) -> Vec<&str> {
    let known = VARIANTS.iter().find(|(architecture, _)| *architecture == wanted.architecture);
    let known = known.map_or(&[][..], |(_, variants)| variants);
    match wanted.variant.as_deref().filter(|variant| !variant.is_empty()) {
        None => std::iter::once("").chain(known.iter().copied()).collect(),
        Some(wanted) => {
            let lower = known.iter().position(|variant| *variant == wanted).map(|at| &known[at..]);
            lower.unwrap_or(&[wanted]).iter().copied().chain([""]).collect()
        }
    }
}

/// The platforms of an index, each once, as a message lists them.
pub fn listed<E: Entry>(entries: &[E]) -> String {
    listed_names(entries.iter().filter_map(|entry| match entry.platform() {
        // Attestations.
        Some(["unknown", ..]) => None,
        Some(platform) => Some(slashed(platform)),
        None => Some("an image without platform".to_string()),
    }))
}

/// `linux/arm64/v8`.
fn slashed([os, architecture, variant]: [&str; 3]) -> String {
    let parts = [os, architecture].map(|part| if part.is_empty() { "-" } else { part });
    let variant = Some(variant).filter(|variant| !variant.is_empty());
    parts.into_iter().chain(variant).collect::<Vec<_>>().join("/")
}

/// An image as a message lists it: by its name and its platform, as far as an index has them.
pub fn called<E: Entry>(entry: &E, name: Option<&str>) -> String {
    match (name, entry.platform().map(slashed)) {
        (Some(name), Some(platform)) => format!("{name} for {platform}"),
        (Some(name), None) => name.to_string(),
        (None, Some(platform)) => platform,
        (None, None) => "an image without name".to_string(),
    }
}

/// Names from a document, each once, as a message lists them.
pub fn listed_names(all: impl Iterator<Item = String>) -> String {
    const MOST: usize = 20;
    const LONGEST: usize = 100;
    let mut names: Vec<String> = Vec::new();
    for name in all {
        let name = match name.char_indices().nth(LONGEST) {
            Some((at, _)) => format!("{}…", &name[..at]),
            None => name,
        };
        if names.len() <= MOST && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > MOST {
        names[MOST] = "…".to_string();
    }
    match names.is_empty() {
        true => "none".to_string(),
        false => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::image::{documents, media};

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/').map(str::to_string);
        let mut next = || parts.next();
        Platform { os: next().unwrap(), architecture: next().unwrap(), variant: next() }
    }

    /// Entries from `os/arch[/variant]`, `-` for none, with `+zstd` for the annotation. Their sizes are their
    /// positions.
    fn entries(names: &[&str]) -> Vec<Descriptor> {
        let one = |(at, name): (usize, &&str)| {
            let (name, zstd) = name.strip_suffix("+zstd").map_or((*name, false), |name| (name, true));
            let mut descriptor = Descriptor::new(media::MANIFEST, Digest::of(&[at as u8]), at as u64);
            if zstd {
                descriptor.annotations.insert(ZSTD.to_string(), "true".to_string());
            }
            descriptor.platform = (name != "-").then(|| {
                let Platform { architecture, os, variant } = platform(name);
                documents::Platform { architecture, os, variant }
            });
            descriptor
        };
        names.iter().enumerate().map(one).collect()
    }

    /// Positions in the order of preference.
    fn chosen(wanted: &str, names: &[&str], preferred: Preferred) -> Vec<u64> {
        choose(&platform(wanted), &entries(names), preferred).into_iter().map(|entry| entry.size).collect()
    }

    // The expectations are those of containers/image's platform_matcher_test.go and of skopeo's runs.
    #[test]
    fn choices_of_containers_image() {
        let arm = ["linux/arm/v5", "linux/arm/v6", "linux/arm/v7", "linux/arm/v8"];
        for (wanted, names, order) in [
            ("linux/arm", &arm[..], &[3, 2, 1, 0][..]),
            ("linux/arm", &["linux/arm/v7", "linux/arm"], &[1, 0]),
            ("linux/arm/v7", &arm, &[2, 1, 0]),
            ("linux/arm/v6", &["linux/arm", "linux/arm/v7", "linux/arm/v5"], &[2, 0]),
            ("linux/arm64", &["linux/arm64/v8"], &[0]),
            ("linux/arm64", &["linux/arm64/v9", "linux/arm64/v8", "linux/arm64"], &[2, 1]),
            ("linux/amd64", &["linux/amd64/v3", "linux/amd64"], &[1]),
            ("linux/amd64", &["linux/amd64/v2"], &[]),
            ("linux/amd64/v2", &["linux/amd64", "linux/amd64/v2"], &[1, 0]),
            ("linux/amd64/v3", &["linux/amd64/v2"], &[]),
            ("linux/amd64", &["unknown/unknown", "linux/amd64", "linux/amd64"], &[1, 2]),
            ("linux/amd64", &["-", "linux/amd64"], &[1, 0]),
            ("linux/amd64", &["windows/amd64", "-"], &[1]),
            ("linux/amd64", &["linux/amd64", "linux/amd64+zstd"], &[1, 0]),
            ("linux/arm", &["linux/arm/v7+zstd", "linux/arm"], &[1, 0]),
            ("linux/amd64", &["-", "-+zstd"], &[1, 0]),
            ("linux/amd64", &["Linux/amd64", "linux/AMD64"], &[]),
            ("windows/amd64", &["linux/amd64", "windows/amd64"], &[1]),
        ] {
            assert_eq!(chosen(wanted, names, Preferred::Zstd), order, "{wanted} of {names:?}");
        }
    }

    #[test]
    fn a_compression_decides_between_equals() {
        for (wanted, names, order) in [
            ("linux/amd64", &["linux/amd64", "linux/amd64+zstd"][..], &[0, 1][..]),
            ("linux/amd64", &["linux/amd64+zstd", "linux/amd64"], &[1, 0]),
            ("linux/amd64", &["linux/amd64+zstd"], &[0]),
            ("linux/arm", &["linux/arm/v7", "linux/arm+zstd"], &[1, 0]),
            ("linux/amd64", &["-+zstd", "-"], &[1, 0]),
        ] {
            assert_eq!(chosen(wanted, names, Preferred::Gzip), order, "{wanted} of {names:?}");
        }
    }

    #[test]
    fn what_is_offered_is_listed_once() {
        let names = ["linux/amd64", "linux/amd64", "linux/arm/v7", "unknown/unknown", "-"];
        assert_eq!(listed(&entries(&names)), "linux/amd64, linux/arm/v7, an image without platform");
        assert_eq!(listed(&entries(&[])), "none");
        let many: Vec<String> = (0..100).map(|i| format!("linux/a{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(listed(&entries(&many)).ends_with(", linux/a19, …"));
        let long = format!("linux/{}", "é".repeat(1000));
        assert_eq!(listed(&entries(&[&long])).chars().count(), 101);
    }
}
