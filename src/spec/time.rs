//! `created` and `mtime`: a point in time as text, as seconds, or `"now"`.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::read::{At, Found};
use super::{ArgumentError, Timestamp};

/// 0001-01-01T00:00:00Z. RFC 3339 has no years before 0, and Go's zero time is of the year 1.
const YEAR_1: i64 = -62_135_596_800;

/// 9999-12-31T23:59:59Z, the last second that RFC 3339 (section 5.6, `date-fullyear`) can write.
const YEAR_9999: i64 = 253_402_300_799;

const FORMS: &str =
    "RFC 3339 text such as \"1970-01-01T00:00:01Z\", an integer of seconds since 1970, or \"now\"";

/// When the image says it was made: years 1 to 9999.
pub(super) fn created(at: At, value: &Value) -> Result<Timestamp, ArgumentError> {
    timestamp(at, value, YEAR_1, &format!("{FORMS}, of the years 1 to 9999"))
}

/// Modification time of files: from 1970, because tar (ustar) has no negative times.
pub(super) fn mtime(at: At, value: &Value) -> Result<Timestamp, ArgumentError> {
    timestamp(at, value, 0, &format!("{FORMS}, of the years 1970 to 9999"))
}

fn timestamp(at: At, value: &Value, earliest: i64, accepted: &str) -> Result<Timestamp, ArgumentError> {
    let seconds = match Found::of(value) {
        Found::Integer(seconds) => i64::try_from(seconds).ok(),
        Found::Text("now") => return Ok(Timestamp::Now),
        // Fractions of a second are dropped: neither tar nor an image configuration needs them.
        Found::Text(text) | Found::Context(text) => {
            OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
        }
        _ => None,
    };
    match seconds {
        Some(seconds) if (earliest..=YEAR_9999).contains(&seconds) => Ok(Timestamp::At(seconds)),
        _ => Err(at.wrong(value, accepted)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn created_of(value: Value) -> Option<Timestamp> {
        created(At::Arguments.key("created"), &value).ok()
    }

    fn mtime_of(value: Value) -> Option<Timestamp> {
        mtime(At::Arguments.key("mtime"), &value).ok()
    }

    #[test]
    fn both_take_text_seconds_and_now() {
        // Seconds from `date -u -d TEXT +%s`.
        for (value, timestamp) in [
            (json!("now"), Timestamp::Now),
            (json!("1970-01-01T00:00:01Z"), Timestamp::At(1)),
            (json!("2024-02-29T12:00:00Z"), Timestamp::At(1_709_208_000)),
            (json!("2024-02-29T12:00:00+02:00"), Timestamp::At(1_709_200_800)),
            (json!("1970-01-01T00:00:01.999Z"), Timestamp::At(1)),
            (json!("9999-12-31T23:59:59Z"), Timestamp::At(YEAR_9999)),
            (json!(0), Timestamp::At(0)),
            (json!(YEAR_9999), Timestamp::At(YEAR_9999)),
        ] {
            assert_eq!(created_of(value.clone()), Some(timestamp), "{value}");
            assert_eq!(mtime_of(value.clone()), Some(timestamp), "{value}");
        }
    }

    #[test]
    fn only_created_may_lie_before_1970() {
        for (value, seconds) in
            [(json!("1969-12-31T23:59:59Z"), -1), (json!(-1), -1), (json!("0001-01-01T00:00:00Z"), YEAR_1)]
        {
            assert_eq!(created_of(value.clone()), Some(Timestamp::At(seconds)), "{value}");
            assert_eq!(mtime_of(value.clone()), None, "{value}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for value in [
            json!("2024-13-01T00:00:00Z"),
            json!("2023-02-29T00:00:00Z"),
            json!("10000-01-01T00:00:00Z"),
            json!("0000-12-31T23:59:59Z"),
            json!("2024-01-01"),
            json!("2024-01-01T00:00:00"),
            json!("1700000000"),
            json!("not-a-time"),
            json!("Now"),
            json!(""),
            json!(1.5),
            json!(YEAR_9999 + 1),
            json!(YEAR_1 - 1),
            json!(u64::MAX),
            json!(null),
        ] {
            assert_eq!(created_of(value.clone()), None, "{value}");
            assert_eq!(mtime_of(value.clone()), None, "{value}");
        }
    }

    #[test]
    fn the_error_shows_the_forms() {
        assert_eq!(
            mtime(At::Arguments.key("mtime"), &json!("yesterday")).unwrap_err().to_string(),
            "mtime: found \"yesterday\", accepted: RFC 3339 text such as \"1970-01-01T00:00:01Z\", \
             an integer of seconds since 1970, or \"now\", of the years 1970 to 9999"
        );
    }
}
