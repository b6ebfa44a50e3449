//! Regular expressions in `perms`: those that RE2 and the crate regex understand alike.
//!
//! nix2container hands them to Go's `regexp`, which is RE2. The crate has the same syntax but for a few forms that
//! it reads in another way; an error names those, so that no rule is about other files than it was there.

use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

use super::ArgumentError;
use super::read::{At, quote, string};

/// A regular expression: found anywhere in a path, unless it says where.
pub(super) fn regex(at: At, value: &Value) -> Result<String, ArgumentError> {
    let pattern = string(at, value, "a regular expression (RE2) such as \"/bin/.*\"")?;
    if let Some(form) = ambiguous(pattern) {
        return Err(at.error(format!(
            "found {}: {form:?} is not what it is in RE2; write each of its characters with a backslash",
            quote(pattern)
        )));
    }
    match compile(pattern) {
        Ok(_) => Ok(pattern.to_owned()),
        Err(error) => {
            // The last line says what is wrong; those before it draw where.
            let error = error.to_string();
            let what = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Err(at.error(format!("found {}, which is not a regular expression: {what}", quote(pattern))))
        }
    }
}

/// `pattern`, ready to be looked for. Classes such as `\w` are ASCII's, as in RE2; what is matched is bytes.
pub(crate) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).unicode(false).build()
}

/// The first form that the crate reads in another way than RE2: operations on classes and classes in classes,
/// repetitions without a lower bound, boundaries of words.
fn ambiguous(pattern: &str) -> Option<&'static str> {
    let mut rest = pattern;
    let mut class = false;
    while let Some(next) = rest.chars().next() {
        let mut length = next.len_utf8();
        if next == '\\' {
            let boundaries = ["\\<", "\\>", "\\b{"];
            if let Some(form) = boundaries.into_iter().find(|form| rest.starts_with(form)) {
                return Some(form);
            }
            length += rest[1..].chars().next().map_or(0, char::len_utf8);
        } else if class {
            if let Some(form) = ["&&", "--", "~~"].into_iter().find(|form| rest.starts_with(form)) {
                return Some(form);
            }
            match next {
                ']' => class = false,
                '[' => match rest.strip_prefix("[:").and_then(|name| name.find(":]")) {
                    Some(end) => length = "[:".len() + end + ":]".len(),
                    None => return Some("["),
                },
                _ => {}
            }
        } else if next == '[' {
            class = true;
            // A bracket that comes first is meant.
            length += usize::from(rest[length..].starts_with('^'));
            length += usize::from(rest[length..].starts_with(']'));
        } else if rest.starts_with("{,") {
            return Some("{,");
        }
        rest = &rest[length..];
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: At = At::Key(&At::Arguments, "regex");

    #[test]
    fn patterns_are_found_anywhere_and_know_bytes() {
        let found = |pattern: &str, path: &[u8]| compile(pattern).unwrap().is_match(path);
        assert!(
            found("", b"/a") && found("/bin", b"/nix/store/x/bin/sh") && found("/home/.*", b"/home/\xff")
        );
        assert!(!found("^/bin", b"/nix/store/x/bin") && found(r"^/\w+$", b"/nix"));
        // RE2's classes are ASCII's.
        assert!(!found(r"^/\w+$", "/é".as_bytes()) && found("^/é$", "/é".as_bytes()));
    }

    #[test]
    fn the_syntax_of_re2_is_accepted() {
        for right in [
            "",
            ".*",
            "^/a/[^/]+$",
            r"\.so(\.\d+)*$",
            "[[:alpha:]_-]",
            "[]a]",
            "(?i)x|y{2,3}",
            "[^]]",
            "a--b",
        ] {
            assert_eq!(regex(AT, &json!(right)).as_deref(), Ok(right));
        }
    }

    #[test]
    fn what_would_mean_something_else_is_refused() {
        for (wrong, form) in [
            ("[a&&b]", "&&"),
            ("[a--z]", "--"),
            ("[a~~b]", "~~"),
            ("[a[b]c]", "["),
            ("a{,3}", "{,"),
            (r"\<a", r"\<"),
            (r"a\>", r"\>"),
            (r"\b{start}", r"\b{"),
        ] {
            let expected = format!(
                "regex: found {wrong:?}: {form:?} is not what it is in RE2; write each of its characters with a backslash"
            );
            assert_eq!(regex(AT, &json!(wrong)).unwrap_err().to_string(), expected);
        }
        for (wrong, what) in
            [("(", "unclosed group"), ("a**{", "unclosed"), (r"\Qx\E", "unrecognized escape")]
        {
            let error = regex(AT, &json!(wrong)).unwrap_err().to_string();
            let start = format!("regex: found {wrong:?}, which is not a regular expression: ");
            assert!(error.starts_with(&start) && error.contains(what), "{error}");
        }
    }
}
