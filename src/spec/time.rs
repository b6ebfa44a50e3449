//! `created` and `mtime`: a point in time as text, as seconds, or `"now"`.

use serde_json::Value;
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, OffsetDateTime};

use super::read::{At, Found};
use super::{ArgumentError, Timestamp};

/// 0001-01-01T00:00:00Z. RFC 3339 has no years before 0, and Go's zero time is of the year 1.
const YEAR_1: i64 = -62_135_596_800;

/// 9999-12-31T23:59:59Z, the last second that RFC 3339 (section 5.6, `date-fullyear`) can write.
const YEAR_9999: i64 = 253_402_300_799;

const DAY: i64 = 24 * 60 * 60;

const FORMS: &str = "an ISO 8601 date or time such as \"2026-01-31\" or \"2026-01-31T12:00:00Z\" (without an offset it is UTC), \
     14 digits as of a flake's lastModifiedDate, an integer of seconds since 1970, or \"now\"";

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
        Found::Text(text) | Found::Context(text) => moment(text),
        _ => None,
    };
    match seconds {
        Some(seconds) if (earliest..=YEAR_9999).contains(&seconds) => Ok(Timestamp::At(seconds)),
        _ => Err(at.wrong(value, accepted)),
    }
}

/// Seconds since 1970 of the time that a text names: an ISO 8601 date (calendar, ordinal or week) with or without a time
/// of day, in the basic or the extended form, UTC unless it has an offset; or seconds as GNU date writes them (`@1`).
fn moment(text: &str) -> Option<i64> {
    if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(moment.unix_timestamp());
    }
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse().ok();
    }
    let (date, time) = match text.split_at_checked(8) {
        // A flake's lastModifiedDate is the basic form without the T between them.
        Some((date, time)) if time.len() == 6 && is_number(text) => (date, Some(time)),
        // RFC 3339 and GNU date take a blank for the T.
        _ => match text.split_once(['T', 't', ' ']) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        },
    };
    let midnight = Date::parse(date, &Iso8601::PARSING).ok()?.midnight().assume_utc().unix_timestamp();
    Some(midnight + time.map_or(Some(0), seconds_of_day)?)
}

/// Seconds since midnight UTC of a time of day with or without an offset.
fn seconds_of_day(text: &str) -> Option<i64> {
    let (clock, offset) = text.split_at(text.find(['Z', 'z', '+', '-']).unwrap_or(text.len()));
    let (whole, fraction) = match clock.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (clock, None),
    };
    let fields = two_digits_each(whole)?;
    // A fraction is one of the last field, and less than a second is dropped.
    let (seconds, unit) = match fields[..] {
        [hour] => (hour * 3600, 3600),
        [hour, minute @ ..60] => (hour * 3600 + minute * 60, 60),
        [hour, minute @ ..60, second @ ..60] => (hour * 3600 + minute * 60 + second, 1),
        _ => return None,
    };
    let more = match fraction {
        Some(digits) if is_number(digits) => {
            let digits = digits.get(..9).unwrap_or(digits);
            digits.parse::<i64>().ok()? * unit / 10_i64.pow(digits.len() as u32)
        }
        Some(_) => return None,
        None => 0,
    };
    // 24:00 is the end of a day.
    let is_in_day = seconds < DAY || (seconds == DAY && fraction.is_none());
    is_in_day.then_some(seconds + more - offset_of(offset)?)
}

/// Seconds that an offset is ahead of UTC: `Z`, `+02`, `+0200`, `+02:00` or nothing.
fn offset_of(text: &str) -> Option<i64> {
    let sign = match text.chars().next() {
        None => return Some(0),
        Some('+') => 1,
        Some('-') => -1,
        Some(_) => return (text.len() == 1).then_some(0),
    };
    match two_digits_each(&text[1..])?[..] {
        [hour @ ..24] => Some(sign * hour * 3600),
        [hour @ ..24, minute @ ..60] => Some(sign * (hour * 3600 + minute * 60)),
        _ => None,
    }
}

/// Numbers of two digits, with a colon between all of them or none.
fn two_digits_each(text: &str) -> Option<Vec<i64>> {
    let fields: Vec<&str> = match text.contains(':') {
        true => text.split(':').collect(),
        false => text.as_bytes().chunks(2).map(std::str::from_utf8).collect::<Result<_, _>>().ok()?,
    };
    let number = |field: &str| (field.len() == 2 && is_number(field)).then(|| field.parse().ok()).flatten();
    fields.into_iter().map(number).collect()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

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

    /// Lines of seconds and a text.
    fn assert_said(lines: &str) {
        let wrong: Vec<&str> = lines
            .lines()
            .filter(|line| {
                let (seconds, text) = line.split_once(' ').unwrap();
                moment(text) != Some(seconds.parse().unwrap())
            })
            .collect();
        assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), lines.lines().count());
    }

    fn said_by(program: &str, arguments: &[&str], input: &str) -> String {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{program}: {e}; tests/setup installs it"));
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let said = child.wait_with_output().unwrap();
        assert!(said.status.success());
        String::from_utf8(said.stdout).unwrap()
    }

    #[test]
    fn every_form_is_what_python_means_by_it() {
        let script = r#"
import random, itertools
from datetime import datetime, timedelta, timezone
random.seed(8601)
dates = ["%Y-%m-%d", "%Y%m%d", "%G-W%V-%u", "%GW%V%u", "%Y-%j", "%Y%j"]
times = ["%H:%M:%S", "%H%M%S", "%H:%M:%S.%f", "%H%M%S,%f", "%H:%M", "%H%M", "%H"]
start, most = datetime(1583, 1, 1), 8400 * 365 * 86400
moments = [start + timedelta(seconds=random.randrange(most)) for _ in range(60)]
# Where weeks of one year lie in another one.
moments += [datetime(year, month, day, 23, 59, 59) for year in range(1995, 2030) for month, day in [(12, 28), (12, 31), (1, 1), (1, 4), (2, 28)]]
for moment in moments:
    moment = moment.replace(microsecond=random.randrange(10**6))
    offset = timedelta(minutes=random.randrange(-1439, 1440))
    for date, time in itertools.product(dates, [None, *times]):
        written = moment.strftime(date if time is None else date + "T" + time)
        meant = datetime.strptime(written.replace(",", "."), (date + ("T" + time if time else "")).replace(",", "."))
        if "%j" not in date:
            assert datetime.fromisoformat(written) == meant, written
        for zone in [None] if time is None else [None, timezone.utc, timezone(offset)]:
            seconds = meant.replace(tzinfo=zone or timezone.utc).timestamp() // 1
            suffix = meant.replace(tzinfo=zone).strftime("%z") if zone else ""
            if zone == timezone.utc: suffix = "Z"
            elif zone and ":" in time: suffix = suffix[:3] + ":" + suffix[3:]
            print(int(seconds), written + suffix)
    whole = moment.replace(microsecond=0, tzinfo=timezone.utc)
    print(int(whole.timestamp()), whole.strftime("%Y%m%d%H%M%S"))
"#;
        let lines = said_by("python3", &["-c", script], "");
        assert!(lines.lines().count() > 20_000);
        assert_said(&lines);
    }

    #[test]
    fn texts_that_docker_tools_gives_to_date_mean_what_date_says() {
        let texts = [
            "20221005",
            "2022-10-05",
            "2022-10-05T10:11:12Z",
            "2022-10-05T10:11:12+02:00",
            "2022-10-05T10:11:12,5+0200",
            "2022-10-05 10:11:12",
            "2022-10-05 10:11",
            "0001-01-01T00:00:00Z",
            "9999-12-31",
            "@1664964672",
            "@-1",
        ];
        let said = said_by("date", &["-u", "-f", "-", "+%s"], &texts.join("\n"));
        let lines: Vec<String> =
            said.lines().zip(texts).map(|(said, text)| format!("{said} {text}")).collect();
        assert_eq!(lines.len(), texts.len());
        assert_said(&lines.join("\n"));
    }

    #[test]
    fn parts_of_an_hour_and_of_a_minute_may_be_fractions() {
        for (text, seconds) in [
            ("1970-01-01T01.5", 5400),
            ("19700101T0101,25Z", 3675),
            ("1970-01-01T24:00", 86_400),
            ("1970-01-01T00:00:01.999999999999", 1),
            ("1969-12-31T23:59:59.5Z", -1),
            ("2016-12-31T23:59:60Z", 1_483_228_799),
        ] {
            assert_eq!(moment(text), Some(seconds), "{text}");
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
            json!("20241301101112"),
            json!("2024-01"),
            json!("202401"),
            json!("2024"),
            json!("24-01-01"),
            json!("2024-W53-1"),
            json!("2024-W10"),
            json!("2023-366"),
            json!("2024-01-01T"),
            json!("2024-01-01Z"),
            json!("2024-01-01T24:00:01"),
            json!("2024-01-01T10:60"),
            json!("2024-01-01T10:11:60Z"),
            json!("2024-01-01T10:1112"),
            json!("2024-01-01T10:11:12:13"),
            json!("2024-01-01T10:11:12."),
            json!("2024-01-01T1O:11:12"),
            json!("2024-01-01T10:11:12+24:00"),
            json!("2024-01-01T10:11:12+02:00:00"),
            json!("2024-01-01T10:11:12+"),
            json!("2024-01-01T10:11:12Zulu"),
            json!("2024-01-01T10:11:12 +02:00"),
            json!("2024-01-01T10:11:12\u{2212}02:00"),
            json!(" 2024-01-01"),
            json!("2024-01-01\n"),
            json!("@"),
            json!("@1.5"),
            json!("@9223372036854775808"),
            json!("\u{ff12}024-01-01"),
            json!("2024010110111\u{ff12}"),
            json!("2023-02-29T00:00:00Z"),
            json!("10000-01-01T00:00:00Z"),
            json!("0000-12-31T23:59:59Z"),
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
            "mtime: found \"yesterday\", accepted: an ISO 8601 date or time such as \"2026-01-31\" or \
             \"2026-01-31T12:00:00Z\" (without an offset it is UTC), 14 digits as of a flake's lastModifiedDate, \
             an integer of seconds since 1970, or \"now\", of the years 1970 to 9999"
        );
    }
}
