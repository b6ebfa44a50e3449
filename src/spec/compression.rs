//! `format`, `compression`, `compressionLevel` and `compressor`: what is written, and how its layers, or
//! all of it, are packed.

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

/// The argument `compressor` beside `format`, which may be absent.
pub(super) fn compressor_beside(
    at: At,
    value: &Value,
    format: Option<&Value>,
) -> Result<Compressor, ArgumentError> {
    let compressor = match one_of(at, value, &["none", "gz", "zstd"])? {
        "gz" => Compressor::Gzip,
        "zstd" => Compressor::Zstd,
        _ => return Ok(Compressor::None),
    };
    match format.map_or(Ok(Format::Archive), |value| self::format(At::Arguments.key("format"), value))? {
        Format::Archive => Ok(compressor),
        _ => Err(at.wrong(value, "\"none\" unless format = \"archive\"; compression is that of the layers")),
    }
}

impl Compressor {
    /// Reads the argument `compressor`, which may be absent, beside `format`.
    ///
    /// # Errors
    ///
    /// If it names none, or the format is not an archive.
    pub fn from_json(value: Option<&Value>, format: &Value) -> Result<Compressor, ArgumentError> {
        value.map_or(Ok(Compressor::None), |value| {
            compressor_beside(At::Arguments.key("compressor"), value, Some(format))
        })
    }
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

    #[test]
    fn only_archives_are_compressed_as_a_whole() {
        let read = |value: Value, format: Value| {
            Compressor::from_json(Some(&value), &format).map_err(|e| e.to_string())
        };
        for (value, right) in
            [("none", Compressor::None), ("gz", Compressor::Gzip), ("zstd", Compressor::Zstd)]
        {
            assert_eq!(read(json!(value), json!("archive")), Ok(right));
            let alone = compressor_beside(At::Arguments.key("compressor"), &json!(value), None);
            assert_eq!(alone, Ok(right));
        }
        assert_eq!(Compressor::from_json(None, &json!("layout")), Ok(Compressor::None));
        for format in ["layout", "stream"] {
            assert_eq!(read(json!("none"), json!(format)), Ok(Compressor::None));
            assert_eq!(
                read(json!("gz"), json!(format)),
                Err("compressor: found \"gz\", accepted: \"none\" unless format = \"archive\"; compression is \
                     that of the layers"
                    .to_owned())
            );
        }
        assert_eq!(
            read(json!("gzip"), json!("archive")),
            Err("compressor: found \"gzip\", accepted: \"none\" or \"gz\" or \"zstd\"".to_owned())
        );
        assert!(read(json!(null), json!("archive")).is_err());
    }
}
