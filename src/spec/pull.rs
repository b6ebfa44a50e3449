//! The arguments of `builtins.pullImage`.
//!
//! Those of nixpkgs' `dockerTools.pullImage`, with what it lacks: `tag` instead of a digest, `variant`, and
//! no hash at all, because the digest pins the image; or the manifest itself, which pins it without being asked for.

use serde_json::{Map, Value};

use super::nearest::unknown;
use super::read::{At, Found, boolean, quote, set, text};
use super::{ArgumentError, PullSpec, check, platform, reference, sources};
use crate::digest::Digest;

/// All arguments, in the order in which they are checked.
const ARGUMENTS: [&str; 19] = [
    "imageName",
    "imageDigest",
    "tag",
    "manifest",
    "os",
    "arch",
    "variant",
    "preferGzip",
    "finalImageName",
    "finalImageTag",
    "tlsVerify",
    "name",
    "hash",
    "sha256",
    "outputHash",
    "outputHashAlgo",
    "system",
    "meta",
    "passthru",
];

/// Arguments that hold the hash of the docker-archive.
const HASHES: [&str; 3] = ["hash", "sha256", "outputHash"];

/// Checks the arguments of `builtins.pullImage` as the evaluator writes them ([`check::check`] has the
/// table).
///
/// # Errors
///
/// As [`check::check`].
pub fn check_pull(arguments: &Value) -> Result<(), ArgumentError> {
    let arguments = set(At::Arguments, arguments, "a set of arguments")?;
    let mut unknowns: Vec<&String> =
        arguments.keys().filter(|key| !ARGUMENTS.contains(&key.as_str())).collect();
    unknowns.sort();
    if let Some(key) = unknowns.first() {
        return Err(At::Arguments.key(key).error(unknown("argument", key, ARGUMENTS)));
    }
    for key in ARGUMENTS {
        if let Some(value) = arguments.get(key) {
            argument(At::Arguments.key(key), key, value)?;
        }
    }
    if !arguments.contains_key("imageName") {
        return Err(At::Arguments.key("imageName").error("required, but missing"));
    }
    if given(arguments, "manifest") {
        let others = ["imageDigest", "tag"].into_iter().chain(HASHES);
        return match others.into_iter().find(|key| given(arguments, key)) {
            Some(other) => Err(At::Arguments
                .key(other)
                .error("cannot be given beside manifest, which says what is pulled, digest for digest")),
            None => Ok(()),
        };
    }
    let hashes: Vec<&str> = HASHES.into_iter().filter(|key| arguments.contains_key(*key)).collect();
    match (given(arguments, "imageDigest"), given(arguments, "tag"), &hashes[..]) {
        (_, _, [_, second, ..]) => Err(At::Arguments
            .key(second)
            .error(format!("cannot be given beside {}: one hash, or none", hashes[0]))),
        (true, true, _) => Err(At::Arguments
            .key("tag")
            .error("cannot be given beside imageDigest, which says more than a tag does")),
        (false, _, [hash]) => {
            Err(At::Arguments.key("imageDigest").error(format!("required beside {hash}, but missing")))
        }
        (false, false, _) => Err(At::Arguments
            .key("imageDigest")
            .error("required, but missing (or tag, which is resolved now)")),
        _ => Ok(()),
    }
}

fn given(arguments: &Map<String, Value>, key: &str) -> bool {
    arguments.get(key).is_some_and(|value| !value.is_null())
}

fn argument(at: At, key: &str, value: &Value) -> Result<(), ArgumentError> {
    let nullable = matches!(key, "imageDigest" | "tag" | "manifest" | "variant");
    match key {
        _ if nullable && value.is_null() => Ok(()),
        "imageName" | "finalImageName" => name(at, value).map(drop),
        "imageDigest" => digest(at, value).map(drop),
        "manifest" => sources::written_item(at, value),
        "tag" | "finalImageTag" => reference::given_tag(at, value).map(drop),
        "os" => platform::os(at, value).map(drop),
        "arch" => platform::architecture(at, value).map(drop),
        "variant" => platform::variant(at, value).map(drop),
        "preferGzip" | "tlsVerify" => boolean(at, value).map(drop),
        "system" => platform::system(at, value).map(drop),
        "meta" | "passthru" => check::any_set(at, value),
        _ => text(at, value, "a string").map(drop),
    }
}

/// A repository, in lower case already: it is part of store paths and of what is asked of registries.
fn name(at: At, value: &Value) -> Result<String, ArgumentError> {
    let lower = reference::name(at, value)?;
    match Found::of(value) {
        Found::Text(found) | Found::Context(found) if found != lower => {
            Err(at.error(format!("found {}, accepted: lower case, {}", quote(found), quote(&lower))))
        }
        _ => Ok(lower),
    }
}

fn digest(at: At, value: &Value) -> Result<Digest, ArgumentError> {
    let accepted = "\"sha256:\" and 64 lower-case hexadecimal digits";
    text(at, value, accepted)?.parse().map_err(|_| at.wrong(value, accepted))
}

impl PullSpec {
    /// Reads what the builder needs: `imageName imageDigest os arch variant finalImageName finalImageTag
    /// tlsVerify`; and `preferGzip`, if that is `true`.
    ///
    /// # Errors
    ///
    /// The first attribute that is unknown, then the first that is missing or wrong.
    pub fn from_json(value: &Value) -> Result<PullSpec, ArgumentError> {
        let known = [
            "imageName",
            "imageDigest",
            "os",
            "arch",
            "variant",
            "preferGzip",
            "finalImageName",
            "finalImageTag",
            "tlsVerify",
        ];
        let arguments = set(At::Arguments, value, "a set of arguments")?;
        if let Some(key) = arguments.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(At::Arguments.key(key).error(unknown("argument", key, known)));
        }
        fn read<T>(
            arguments: &Map<String, Value>,
            key: &str,
            reader: fn(At, &Value) -> Result<T, ArgumentError>,
        ) -> Result<T, ArgumentError> {
            let at = At::Arguments.key(key);
            reader(at, arguments.get(key).ok_or_else(|| at.error("required, but missing"))?)
        }
        Ok(PullSpec {
            image_name: read(arguments, "imageName", name)?,
            image_digest: read(arguments, "imageDigest", digest)?,
            platform: super::Platform {
                architecture: read(arguments, "arch", platform::architecture)?,
                os: read(arguments, "os", platform::os)?,
                variant: read(arguments, "variant", platform::variant)?,
            },
            final_image_name: read(arguments, "finalImageName", name)?,
            final_image_tag: read(arguments, "finalImageTag", reference::given_tag)?,
            tls_verify: read(arguments, "tlsVerify", boolean)?,
            // Not written where it is false: the derivations stay what they were before there was a choice.
            prefer_gzip: match arguments.contains_key("preferGzip") {
                true => read(arguments, "preferGzip", boolean)?,
                false => false,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_three_forms_are_accepted() {
        for arguments in [
            json!({ "imageName": "alpine", "imageDigest": DIGEST, "hash": "sha256-x" }),
            json!({ "imageName": "alpine", "imageDigest": DIGEST, "sha256": "" }),
            json!({ "imageName": "ghcr.io/me/app", "imageDigest": DIGEST, "variant": null }),
            json!({ "imageName": "localhost:5000/app", "tag": "1.0", "tlsVerify": false }),
            json!({ "imageName": "alpine", "tag": "1.0", "preferGzip": true }),
            json!({ "imageName": "alpine", "manifest": { "\0path": "/home/me/manifest.json" } }),
        ] {
            assert_eq!(check_pull(&arguments), Ok(()), "{arguments}");
        }
    }

    #[test]
    fn everything_else_is_refused_where_it_is_wrong() {
        for (arguments, message) in [
            (json!({ "imageDigest": DIGEST }), "imageName: required, but missing"),
            (
                json!({ "imageName": "alpine" }),
                "imageDigest: required, but missing (or tag, which is resolved now)",
            ),
            (
                json!({ "imageName": "alpine", "manifest": { "\0path": "/m.json" }, "imageDigest": DIGEST }),
                "imageDigest: cannot be given beside manifest, which says what is pulled, digest for digest",
            ),
            (
                json!({ "imageName": "alpine", "manifest": "manifest.json" }),
                "manifest: found \"manifest.json\", a string without context, which Nix would neither build nor keep: \
                 use the package or path itself, not its name (or builtins.storePath)",
            ),
            (
                json!({ "imageName": "alpine", "tag": "1", "hash": "" }),
                "imageDigest: required beside hash, but missing",
            ),
            (
                json!({ "imageName": "alpine", "imageDigest": DIGEST, "tag": "1" }),
                "tag: cannot be given beside imageDigest, which says more than a tag does",
            ),
            (
                json!({ "imageName": "alpine", "imageDigest": DIGEST, "hash": "", "sha256": "" }),
                "sha256: cannot be given beside hash: one hash, or none",
            ),
            (
                json!({ "imageName": "alpine", "imageDigest": "sha256:../../x" }),
                "imageDigest: found \"sha256:../../x\", accepted: \"sha256:\" and 64 lower-case hexadecimal digits",
            ),
            (
                json!({ "imageName": "Alpine", "tag": "1" }),
                "imageName: found \"Alpine\", accepted: lower case, \"alpine\"",
            ),
            (
                json!({ "imageName": "alpine", "tag": "1", "preferGzip": null }),
                "preferGzip: found null, accepted: true or false",
            ),
            (json!({ "imagename": "alpine" }), "imagename: unknown argument, did you mean \"imageName\"?"),
        ] {
            assert_eq!(check_pull(&arguments).unwrap_err().to_string(), message);
        }
    }
}
