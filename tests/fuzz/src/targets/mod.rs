//! The fuzz targets: readers of what comes from outside, each with what must be true of its answers. They panic when
//! it is not. Used by the engine (`make fuzz`) and by `tests/fuzz_corpora.rs`, which replays the corpora.

mod archive;
mod arguments;
mod auth;
mod codecs;
mod database;
mod docker_archive;
mod headers;
mod image;
mod layers;
mod made;
mod names;
mod recorded;
mod registry;

use made::HEADER;

/// A target: reads an input, and panics if what was read breaks a rule.
type Target = fn(&[u8]);

/// All targets, each with the name of its corpus.
pub const TARGETS: [(&str, Target); 15] = [
    ("archive", archive::run),
    ("arguments", arguments::run),
    ("auth-file", auth::run),
    ("codecs", codecs::run),
    ("database", database::run),
    ("docker-archive", docker_archive::run),
    ("headers", headers::run),
    ("image", image::run),
    ("layer-json", recorded::layer),
    ("layers", layers::run),
    ("names", names::run),
    ("netrc", auth::netrc),
    ("recipe", recorded::recipe),
    ("registry", registry::run),
    ("root-json", recorded::root),
];

/// Targets whose inputs are tars, of which mutations need new checksums.
#[allow(dead_code, reason = "for the engine alone")]
pub const TARS: [&str; 2] = ["archive", "layers"];

/// Gives every header of a tar the right checksum, as far as its members can be followed.
#[allow(dead_code, reason = "for the engine alone")]
pub fn repair_checksums(mut tar: &mut [u8]) {
    while tar.len() >= HEADER {
        let (header, rest) = tar.split_at_mut(HEADER);
        let mut size = 0;
        if header.iter().any(|byte| *byte != 0) {
            made::write_checksum(header);
            let digits = header[124..136].iter().filter(|byte| byte.is_ascii_digit());
            size = digits.fold(0, |size: usize, digit| size.saturating_mul(8) + usize::from(digit & 7));
        }
        tar = rest.get_mut(size.saturating_add(HEADER - 1) / HEADER * HEADER..).unwrap_or_default();
    }
}
