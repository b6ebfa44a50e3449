//! Which image of an index is meant: exactly containers/image's choice (pkg/platform/platform_matcher.go,
//! manifest/oci_index.go), so that the same digest is pulled as by skopeo and podman.

use super::documents::{Offer, OfferedPlatform};

/// What is wanted. The names are Go's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// GOOS.
    pub os: String,
    /// GOARCH.
    pub architecture: String,
    /// `v7`, for example; nothing for any that fits.
    pub variant: Option<String>,
}

impl From<crate::spec::Platform> for Platform {
    fn from(platform: crate::spec::Platform) -> Platform {
        let crate::spec::Platform { architecture, os, variant } = platform;
        Platform { os, architecture, variant }
    }
}

/// From the most capable down; a machine runs what is below its own.
const VARIANTS: [(&str, &[&str]); 2] = [("arm", &["v8", "v7", "v6", "v5"]), ("arm64", &["v8"])];

/// Set on images with zstd layers (containers/image, internal/manifest).
const ZSTD: &str = "io.github.containers.compression.zstd";

impl Platform {
    /// Variants that will do, the best first; `""` is an image that says none.
    fn variants(&self) -> Vec<&str> {
        let known = VARIANTS.iter().find(|(architecture, _)| *architecture == self.architecture);
        let known = known.map_or(&[][..], |(_, variants)| variants);
        match self.variant.as_deref().filter(|variant| !variant.is_empty()) {
            None => std::iter::once("").chain(known.iter().copied()).collect(),
            Some(wanted) => {
                let lower = known.iter().position(|variant| *variant == wanted).map(|at| &known[at..]);
                lower.unwrap_or(&[wanted]).iter().copied().chain([""]).collect()
            }
        }
    }

    /// The offers that will do, the best first: by variant, then zstd before others, then by position. An entry that
    /// names no platform comes after all that match.
    pub(super) fn choose<'a>(&self, offers: &'a [Offer]) -> Vec<&'a Offer> {
        let variants = self.variants();
        let rank = |platform: &OfferedPlatform| {
            if platform.os != self.os || platform.architecture != self.architecture {
                return None;
            }
            variants.iter().position(|variant| *variant == platform.variant.as_deref().unwrap_or_default())
        };
        let mut fitting: Vec<(usize, bool, &Offer)> = offers
            .iter()
            .filter_map(|offer| {
                let rank = match &offer.platform {
                    Some(platform) => rank(platform)?,
                    None => usize::MAX,
                };
                let zstd = offer.descriptor.annotations.get(ZSTD).is_some_and(|value| value == "true");
                Some((rank, !zstd, offer))
            })
            .collect();
        // Stable: the first of equals stays first.
        fitting.sort_by_key(|(rank, no_zstd, _)| (*rank, *no_zstd));
        fitting.into_iter().map(|(_, _, offer)| offer).collect()
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

/// The platforms of an index, each once, as a message lists them.
pub(super) fn listed(offers: &[Offer]) -> String {
    const MOST: usize = 20;
    let mut names: Vec<String> = Vec::new();
    for offer in offers {
        let name = match &offer.platform {
            Some(platform) if platform.os == "unknown" => continue,
            Some(platform) => platform.to_string(),
            None => "an image without platform".to_string(),
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
    use crate::image::{Descriptor, media};

    /// Offers from `os/arch[/variant]`, `-` for none, with `+zstd` for the annotation.
    fn offers(names: &[&str]) -> Vec<Offer> {
        let one = |(at, name): (usize, &&str)| {
            let (name, zstd) = name.strip_suffix("+zstd").map_or((*name, false), |name| (name, true));
            let mut descriptor = Descriptor::new(media::MANIFEST, Digest::of(&[at as u8]), at as u64);
            if zstd {
                descriptor.annotations.insert(ZSTD.to_string(), "true".to_string());
            }
            let parts: Vec<&str> = name.split('/').collect();
            let platform = (name != "-").then(|| OfferedPlatform {
                os: parts[0].to_string(),
                architecture: parts[1].to_string(),
                variant: parts.get(2).map(|variant| variant.to_string()),
            });
            Offer { descriptor, platform }
        };
        names.iter().enumerate().map(one).collect()
    }

    /// Positions in the order of preference.
    fn chosen(wanted: &str, names: &[&str]) -> Vec<u64> {
        let parts: Vec<&str> = wanted.split('/').collect();
        let variant = parts.get(2).map(|variant| variant.to_string());
        let platform = Platform { os: parts[0].to_string(), architecture: parts[1].to_string(), variant };
        platform.choose(&offers(names)).into_iter().map(|offer| offer.descriptor.size).collect()
    }

    // The expectations are those of reference/docker-archive.md's rule 18 and platform_matcher_test.go.
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
            assert_eq!(chosen(wanted, names), order, "{wanted} of {names:?}");
        }
    }

    #[test]
    fn what_is_offered_is_listed_once() {
        let names = ["linux/amd64", "linux/amd64", "linux/arm/v7", "unknown/unknown", "-"];
        assert_eq!(listed(&offers(&names)), "linux/amd64, linux/arm/v7, an image without platform");
        assert_eq!(listed(&[]), "none");
        let many: Vec<String> = (0..100).map(|i| format!("linux/a{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(listed(&offers(&many)).ends_with(", linux/a19, …"));
    }
}
