//! `WWW-Authenticate` (RFC 9110, 11.6.1): several headers, each with several challenges, whose parameters are
//! tokens or quoted strings and are separated by the same commas as the challenges are.

/// A way to be let in that a server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// `bearer`, `basic`, ...: in lower case.
    pub scheme: String,
    /// Parameters, their names in lower case, in the order of the header.
    pub parameters: Vec<(String, String)>,
}

/// Challenges and parameters that are looked at; more are nobody's honest header.
const MOST: usize = 64;

impl Challenge {
    /// The challenges of headers. What cannot be read ends its header; what came before it counts.
    pub fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Vec<Challenge> {
        headers.into_iter().flat_map(of_header).take(MOST).collect()
    }

    /// The first parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

fn of_header(header: &str) -> Vec<Challenge> {
    let mut rest = Rest(header);
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        rest.skip(|c| c == ',' || is_space(c));
        let word = rest.take(is_token);
        if word.is_empty() {
            // The end, or something that is no header: the challenge that it belongs to is not trusted.
            if !rest.0.is_empty() {
                challenges.pop();
            }
            return challenges;
        }
        let name = word.to_ascii_lowercase();
        let after_word = rest.0;
        rest.skip(is_space);
        let is_parameter = rest.0.starts_with('=') && !challenges.is_empty();
        if !is_parameter {
            let spaced = after_word.starts_with(is_space);
            if challenges.len() == MOST || !(spaced || after_word.is_empty() || after_word.starts_with(',')) {
                return challenges;
            }
            challenges.push(Challenge { scheme: name, parameters: Vec::new() });
            rest.skip_token68();
            continue;
        }
        rest.0 = &rest.0[1..];
        rest.skip(is_space);
        let value = match rest.0.starts_with('"') {
            true => rest.quoted(),
            false => Some(rest.take(is_token).to_string()),
        };
        // Something to be separated from what follows, by a comma.
        rest.skip(is_space);
        let ended = rest.0.is_empty() || rest.0.starts_with(',');
        match (value, challenges.last_mut()) {
            (Some(value), Some(challenge)) if ended && challenge.parameters.len() < MOST => {
                challenge.parameters.push((name, value));
            }
            _ => {
                challenges.pop();
                return challenges;
            }
        }
    }
}

/// What is left of a header.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, of: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !of(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn skip(&mut self, of: impl Fn(char) -> bool) {
        self.take(of);
    }

    /// The `YWJj==` of `Negotiate YWJj==`: up to the comma, when it is no parameter.
    fn skip_token68(&mut self) {
        let mut ahead = Rest(self.0);
        ahead.skip(|c| is_token(c) || c == '/');
        ahead.skip(|c| c == '=');
        ahead.skip(is_space);
        if ahead.0.is_empty() || ahead.0.starts_with(',') {
            self.0 = ahead.0;
        }
    }

    /// A quoted string, or nothing when its end is missing.
    fn quoted(&mut self) -> Option<String> {
        let mut value = String::new();
        let mut chars = self.0.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = &self.0[at + 1..];
                    return Some(value);
                }
                '\\' => value.push(chars.next()?.1),
                c => value.push(c),
            }
        }
        None
    }
}

fn is_space(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// RFC 9110, 5.6.2, "tchar".
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn challenge(scheme: &str, parameters: &[(&str, &str)]) -> Challenge {
        let parameters = parameters.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        Challenge { scheme: scheme.to_string(), parameters }
    }

    #[test]
    fn challenges_of_real_registries() {
        // auth.docker.io; an RFC 9110 example with two in one header; Nexus, which offers both.
        assert_eq!(
            Challenge::parse([
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#
            ]),
            [challenge(
                "bearer",
                &[
                    ("realm", "https://auth.docker.io/token"),
                    ("service", "registry.docker.io"),
                    ("scope", "repository:a/b:pull,push"),
                ]
            )]
        );
        assert_eq!(
            Challenge::parse([
                r#"Basic realm="simple", Newauth realm="apps", type=1 , title="Login to \"apps\"""#
            ]),
            [
                challenge("basic", &[("realm", "simple")]),
                challenge("newauth", &[("realm", "apps"), ("type", "1"), ("title", "Login to \"apps\"")]),
            ]
        );
        assert_eq!(
            Challenge::parse(["Negotiate", "NTLM YWJj==, BASIC realm=x", "Negotiate, Bearer REALM = \"y\""]),
            [
                challenge("negotiate", &[]),
                challenge("ntlm", &[]),
                challenge("basic", &[("realm", "x")]),
                challenge("negotiate", &[]),
                challenge("bearer", &[("realm", "y")]),
            ]
        );
    }

    #[test]
    fn what_is_malformed_is_not_trusted_and_ends_its_header() {
        for (header, left) in [
            (r#"Basic realm="a", Bearer realm="b"#, vec![challenge("basic", &[("realm", "a")])]),
            (r#"Bearer realm="b\"#, vec![]),
            (r#"Bearer realm="a"x="b""#, vec![]),
            (r#"Bearer realm="a" Basic realm="b""#, vec![]),
            ("Bearer realm=\"a\", \u{1}", vec![]),
            ("=\"x\"", vec![]),
            ("", vec![]),
            (", ,", vec![]),
        ] {
            assert_eq!(Challenge::parse([header]), left, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail_or_grow(header in "\\PC{0,40}|[A-Za-z=\", \\\\]{0,60}") {
            let challenges = Challenge::parse([header.as_str()]);
            let size: usize = challenges.iter().flat_map(|c| &c.parameters).map(|(n, v)| n.len() + v.len()).sum();
            prop_assert!(size <= header.len());
        }

        #[test]
        fn what_is_written_is_read(
            written in prop::collection::vec(("[a-z]{1,8}", prop::collection::vec(("[a-z]{1,8}", "\\PC{0,12}"), 1..4)), 0..4)
        ) {
            let quote = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
            let header: Vec<String> = written.iter().map(|(scheme, parameters)| {
                let all: Vec<String> = parameters.iter().map(|(n, v)| format!("{n}=\"{}\"", quote(v))).collect();
                format!("{scheme} {}", all.join(","))
            }).collect();
            let read = Challenge::parse([header.join(", ").as_str()]);
            let expected: Vec<Challenge> = written.into_iter()
                .map(|(scheme, parameters)| Challenge { scheme, parameters }).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
