//! `Content-Range` of an answer to a request for the rest of a blob (RFC 9110, 14.4).

/// Whether the headers say that the answer is bytes `from` to the end of `total`, in one part.
pub(super) fn is_rest<'a>(mut headers: impl Iterator<Item = &'a str>, from: u64, total: u64) -> bool {
    let (Some(header), None) = (headers.next(), headers.next()) else { return false };
    parse(header) == Some((from, total.saturating_sub(1), Some(total)))
        || parse(header) == Some((from, total.saturating_sub(1), None))
}

/// `bytes FIRST-LAST/TOTAL`, where the total may be `*`.
fn parse(header: &str) -> Option<(u64, u64, Option<u64>)> {
    let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u64>().ok(),
        false => None,
    };
    let (unit, rest) = header.trim().split_once(' ')?;
    let (range, total) = rest.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let total = match total {
        "*" => None,
        total => Some(number(total)?),
    };
    let (first, last) = (number(first)?, number(last)?);
    let sound = unit.eq_ignore_ascii_case("bytes") && first <= last && total.is_none_or(|total| last < total);
    sound.then_some((first, last, total))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_rest_is_the_rest() {
        for (headers, right) in [
            (vec!["bytes 10-99/100"], true),
            (vec!["Bytes  10-99/100"], true),
            (vec!["bytes 10-99/*"], true),
            (vec!["bytes 0-99/100"], false),
            (vec!["bytes 11-99/100"], false),
            (vec!["bytes 10-98/100"], false),
            (vec!["bytes 10-99/101"], false),
            (vec!["bytes 10-100/101"], false),
            (vec!["bytes */100"], false),
            (vec!["bytes 10-99/100", "bytes 10-99/100"], false),
            (vec!["items 10-99/100"], false),
            (vec!["bytes=10-99/100"], false),
            (vec!["bytes +10-99/100"], false),
            (vec!["bytes 10-99/100, bytes 0-1/100"], false),
            (vec!["bytes 10-99/99999999999999999999999999"], false),
            (vec![""], false),
            (vec![], false),
        ] {
            assert_eq!(is_rest(headers.clone().into_iter(), 10, 100), right, "{headers:?}");
        }
    }

    proptest! {
        #[test]
        fn no_other_numbers_pass(first in 0u64..200, last in 0u64..200, total in 0u64..200, from in 0u64..100, size in 100u64..200) {
            let header = format!("bytes {first}-{last}/{total}");
            let right = first == from && last + 1 == size && total == size;
            prop_assert_eq!(is_rest([header.as_str()].into_iter(), from, size), right);
        }

        #[test]
        fn no_text_makes_it_fail(header in "\\PC{0,40}|bytes [0-9*/-]{0,50}") {
            is_rest([header.as_str()].into_iter(), 10, 100);
        }
    }
}
