//! When to try again, and after how long.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Whether an answer of this status may be another one a moment later: what is overloaded, or in between.
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 499 | 500 | 502 | 503 | 504 | 522 | 524)
}

/// How long to wait after failure number `failures` (from 1): 1, 2, 4, ... 64 seconds and up to half of it more, from
/// `chance` (0 to 1), so that many clients do not come back at once.
pub(super) fn wait(failures: u32, chance: f64) -> Duration {
    Duration::from_secs(1 << (failures.clamp(1, 7) - 1)).mul_f64(1.0 + chance.clamp(0.0, 1.0) / 2.0)
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
pub(super) fn after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    // An HTTP date is RFC 2822's, but for the name of the zone.
    let date =
        OffsetDateTime::parse(&format!("{} +0000", text.strip_suffix("GMT")?.trim_end()), &Rfc2822).ok()?;
    Some(SystemTime::from(date).duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn servers_say_when() {
        // 1994-11-06T08:49:37Z, RFC 9110's example.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 30);
        for (text, seconds) in [
            ("1", Some(1)),
            (" 7 ", Some(7)),
            ("0", Some(0)),
            ("99999999", Some(99_999_999)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("-1", None),
            ("junk", None),
            ("", None),
            ("1.5", None),
            ("Sun, 06 Nov 1994", None),
        ] {
            assert_eq!(after(text, now), seconds.map(Duration::from_secs), "{text:?}");
        }
        assert_eq!(after("99999999999999999999999999", now), Some(Duration::MAX));
        assert!(after("Fri, 31 Dec 2100 23:59:59 GMT", now).unwrap() > Duration::from_secs(1 << 31));
    }

    #[test]
    fn waits_grow() {
        let waits: Vec<u64> = (1..=8).map(|failures| wait(failures, 0.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64]);
        assert_eq!(wait(1, 1.0), Duration::from_millis(1500));
    }

    proptest! {
        #[test]
        fn no_number_makes_it_wait_long(failures in any::<u32>(), chance in -1.0..2.0f64) {
            let longest = wait(failures, chance);
            prop_assert!(longest <= Duration::from_secs(96));
        }

        #[test]
        fn no_header_makes_it_fail(text in "\\PC{0,40}|[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT|-?[0-9]{1,30}") {
            after(&text, SystemTime::now());
        }
    }
}
