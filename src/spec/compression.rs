//! `format`, `compressor`, `compression` and `compressionLevel`: what is written, and how its layers are packed.

use serde_json::Value;

use super::nearest::nearest;
use super::read::{At, Found, integer, quote, text};
use super::{ArgumentError, Compression, Compressor, Format};

/// gzip's level unless `compressionLevel` says otherwise: libdeflate's level 5 is as small as gzip's own
/// default, 6, and takes less time than its own 6.
pub const DEFAULT_GZIP_LEVEL: u8 = 5;

/// Zstandard's level unless `compressionLevel` says otherwise.
pub const DEFAULT_ZSTD_LEVEL: u8 = 3;

/// The highest level of libdeflate's scale.
const HIGHEST_GZIP_LEVEL: u8 = 12;

/// The highest level that needs no "ultra" mode, whose window readers may refuse (zstd(1)).
const HIGHEST_ZSTD_LEVEL: u8 = 19;

/// The argument `format`.
pub(super) fn format(at: At, value: &Value) -> Result<Format, ArgumentError> {
    Ok(match one_of(at, value, &["archive", "layout", "stream"])? {
        "layout" => Format::Layout,
        "stream" => Format::Stream,
        _ => Format::Archive,
    })
}

impl Format {
    /// Reads the argument `format`.
    ///
    /// # Errors
    ///
    /// If it names no format.
    pub fn from_json(value: &Value) -> Result<Format, ArgumentError> {
        format(At::Arguments.key("format"), value)
    }
}

impl Compressor {
    /// Reads the argument `compressor`; `null` is `"none"`.
    ///
    /// # Errors
    ///
    /// If it names no compressor.
    pub fn from_json(value: &Value) -> Result<Compressor, ArgumentError> {
        let at = At::Arguments.key("compressor");
        if Found::of(value) == Found::Null {
            return Ok(Compressor::None);
        }
        Ok(match one_of(at, value, &["none", "gz", "zstd"])? {
            "gz" => Compressor::Gzip,
            "zstd" => Compressor::Zstd,
            _ => Compressor::None,
        })
    }
}

/// The argument `compression`, at the codec's default level.
pub(super) fn codec(at: At, value: &Value) -> Result<Compression, ArgumentError> {
    Ok(match one_of(at, value, &["none", "gzip", "zstd"])? {
        "gzip" => Compression::Gzip(DEFAULT_GZIP_LEVEL),
        "zstd" => Compression::Zstd(DEFAULT_ZSTD_LEVEL),
        _ => Compression::None,
    })
}

/// The argument `compressionLevel` for the codec of `compression`; `null` leaves its default.
fn level(at: At, value: &Value, codec: Compression) -> Result<Compression, ArgumentError> {
    if Found::of(value) == Found::Null {
        return Ok(codec);
    }
    let within = |name: &str, highest: u8| {
        let accepted = format!("null or an integer from 1 to {highest} for compression = {name:?}");
        let level = integer(at, value, 1, highest.into(), &accepted)?;
        u8::try_from(level).map_err(|_| at.wrong(value, &accepted))
    };
    match codec {
        Compression::None => Err(at.wrong(value, "null, because compression = \"none\" has no levels")),
        Compression::Gzip(_) => within("gzip", HIGHEST_GZIP_LEVEL).map(Compression::Gzip),
        Compression::Zstd(_) => within("zstd", HIGHEST_ZSTD_LEVEL).map(Compression::Zstd),
    }
}

/// The same beside the argument `compression`, which may be absent.
pub(super) fn level_beside(
    at: At,
    value: &Value,
    compression: Option<&Value>,
) -> Result<Compression, ArgumentError> {
    let codec = match compression {
        Some(compression) => codec(At::Arguments.key("compression"), compression)?,
        None => Compression::None,
    };
    level(at, value, codec)
}

fn one_of<'a>(at: At, value: &Value, accepted: &[&'a str]) -> Result<&'a str, ArgumentError> {
    let quoted: Vec<String> = accepted.iter().map(|word| format!("{word:?}")).collect();
    let all = quoted.join(" or ");
    let found = text(at, value, &all)?;
    if let Some(word) = accepted.iter().find(|word| **word == found) {
        return Ok(word);
    }
    let hint = nearest(found, accepted.iter().copied()).map(|near| format!(", did you mean {near:?}?"));
    Err(at.error(format!("found {}, accepted: {all}{}", quote(found), hint.unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(compression: Value, given: Value) -> Result<Compression, String> {
        level_beside(At::Arguments.key("compressionLevel"), &given, Some(&compression))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn levels_go_with_their_codec() {
        for (compression, given, right) in [
            ("none", json!(null), Compression::None),
            ("gzip", json!(null), Compression::Gzip(5)),
            ("gzip", json!(1), Compression::Gzip(1)),
            ("gzip", json!(12), Compression::Gzip(12)),
            ("zstd", json!(null), Compression::Zstd(3)),
            ("zstd", json!(1), Compression::Zstd(1)),
            ("zstd", json!(19), Compression::Zstd(19)),
        ] {
            assert_eq!(read(json!(compression), given), Ok(right));
        }
        for (compression, given, message) in [
            (
                "gzip",
                json!(0),
                "found an integer (0), accepted: null or an integer from 1 to 12 for compression = \"gzip\"",
            ),
            (
                "gzip",
                json!(13),
                "found an integer (13), accepted: null or an integer from 1 to 12 for compression = \"gzip\"",
            ),
            (
                "zstd",
                json!(20),
                "found an integer (20), accepted: null or an integer from 1 to 19 for compression = \"zstd\"",
            ),
            (
                "zstd",
                json!("3"),
                "found \"3\", accepted: null or an integer from 1 to 19 for compression = \"zstd\"",
            ),
            (
                "none",
                json!(3),
                "found an integer (3), accepted: null, because compression = \"none\" has no levels",
            ),
        ] {
            assert_eq!(read(json!(compression), given), Err(format!("compressionLevel: {message}")));
        }
    }

    #[test]
    fn unknown_words_are_answered_with_the_known() {
        for (found, hint) in [
            ("gz", ""),
            ("xz", ""),
            ("GZIP", ", did you mean \"gzip\"?"),
            ("zst", ", did you mean \"zstd\"?"),
        ] {
            assert_eq!(
                read(json!(found), json!(null)),
                Err(format!(
                    "compression: found {found:?}, accepted: \"none\" or \"gzip\" or \"zstd\"{hint}"
                ))
            );
        }
        assert!(read(json!(null), json!(null)).is_err());
    }

    #[test]
    fn compressors_have_dockertools_names() {
        let read = |value| Compressor::from_json(&value).map_err(|e| e.to_string());
        for (found, right) in [
            (json!(null), Compressor::None),
            (json!("none"), Compressor::None),
            (json!("gz"), Compressor::Gzip),
            (json!("zstd"), Compressor::Zstd),
        ] {
            assert_eq!(read(found), Ok(right));
        }
        assert!(read(json!("gzip")).is_err_and(|e| e.starts_with("compressor: found \"gzip\"")));
    }

    #[test]
    fn formats() {
        let read = |value| format(At::Arguments.key("format"), &value).map_err(|e| e.to_string());
        assert_eq!(read(json!("archive")), Ok(Format::Archive));
        assert_eq!(read(json!("layout")), Ok(Format::Layout));
        assert_eq!(read(json!("stream")), Ok(Format::Stream));
        assert_eq!(
            read(json!("recipe")),
            Err("format: found \"recipe\", accepted: \"archive\" or \"layout\" or \"stream\"".to_owned())
        );
    }
}
