//! `netrc`, which Nix's `netrc-file` is: `machine HOST login USER password PASSWORD`, in any number of lines.

use super::credentials::Credentials;

/// The entry of `host`. `default` is not for registries: it would give the password to every host.
pub(super) fn find(text: &str, host: &str) -> Option<Credentials> {
    let mut words =
        text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(str::split_whitespace);
    let mut here = false;
    let (mut user, mut password) = (None, None);
    while let Some(word) = words.next() {
        match word {
            "machine" | "default" if here && password.is_some() => break,
            "machine" => here = words.next().is_some_and(|name| name.eq_ignore_ascii_case(host)),
            "default" => here = false,
            "login" => user = words.next().filter(|_| here).or(user),
            "password" => password = words.next().filter(|_| here).or(password),
            _ => {}
        }
    }
    Some(Credentials::Password {
        user: user.unwrap_or_default().to_string(),
        password: password?.to_string(),
    })
}

/// The hosts that have a password.
pub(super) fn hosts(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    let pairs = words.windows(2).filter(|pair| pair[0] == "machine");
    let mut hosts: Vec<String> =
        pairs.map(|pair| pair[1].to_string()).filter(|host| find(text, host).is_some()).collect();
    hosts.dedup();
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_host() {
        let text = "# machine a.test login no password no\nmachine a.test login u password p\n\
                    machine b.test\n  password q\n  login v\ndefault login d password d\n";
        let found = |host| match find(text, host) {
            Some(Credentials::Password { user, password }) => format!("{user} {password}"),
            _ => "none".to_string(),
        };
        assert_eq!(found("a.test"), "u p");
        assert_eq!(found("B.test"), "v q");
        assert_eq!(found("c.test"), "none");
        assert_eq!(find("machine a.test login", "a.test"), None);
        assert_eq!(hosts(text), ["a.test", "b.test"]);
        assert_eq!(hosts("machine a.test login u machine b.test password p"), ["b.test"]);
    }
}
