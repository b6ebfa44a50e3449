//! The process that a container starts with: `User`, `Env`, `WorkingDir`, `StopSignal`.

use serde_json::Value;

use crate::spec::ArgumentError;
use crate::spec::nearest::nearest;
use crate::spec::read::{At, list, quote, text};

/// The largest user number. containerd took larger ones for root (CVE-2024-40635).
const LARGEST_ID: u64 = 2_147_483_647;

/// Linux's signals by name (signal(7); moby, `sys/signal/signal_linux.go`).
const SIGNALS: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

/// The number of the last signal, `SIGRTMAX`.
const LAST_SIGNAL: u64 = 64;

/// `SIGRTMIN` to `SIGRTMIN+15` and `SIGRTMAX-14` to `SIGRTMAX` are 34 to 64.
const MOST_ABOVE_RTMIN: u64 = 15;
const MOST_BELOW_RTMAX: u64 = 14;

/// `User`: image-spec, config.md: "user, uid, user:group, uid:gid, uid:group, user:gid".
pub(super) fn user(at: At, value: &Value) -> Result<Value, ArgumentError> {
    let accepted = "\"\", a user, or user:group, each a name or a number from 0 to 2147483647";
    let user = text(at, value, accepted)?;
    let right = user.is_empty()
        || match user.split_once(':') {
            Some((user, group)) => is_user_or_group(user) && is_user_or_group(group),
            None => is_user_or_group(user),
        };
    match right {
        true => Ok(user.into()),
        false => Err(at.wrong_text(user, accepted)),
    }
}

fn is_user_or_group(name: &str) -> bool {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        return name.parse::<u64>().is_ok_and(|id| id <= LARGEST_ID);
    }
    // A sign would make a runtime's parser read a number after all.
    !name.is_empty()
        && !name.starts_with(['-', '+'])
        && !name.contains([':', '/'])
        && !name.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// `Env`: a list of `NAME=value`.
pub(super) fn env(at: At, value: &Value) -> Result<Value, ArgumentError> {
    let variables = list(at, value, "a list of strings such as [ \"NAME=value\" ]")?;
    variables
        .iter()
        .enumerate()
        .map(|(i, variable)| {
            let at = at.index(i);
            let accepted = "\"NAME=value\" with a name";
            let variable = text(at, variable, accepted)?;
            match variable.find('=') {
                Some(1..) => Ok(Value::from(variable)),
                Some(0) | None => Err(at.wrong_text(variable, accepted)),
            }
        })
        .collect()
}

/// `WorkingDir`: absolute, and not one of a process's open files, through which runc led out of the
/// container (CVE-2024-21626).
pub(super) fn working_dir(at: At, value: &Value) -> Result<Value, ArgumentError> {
    let accepted = "\"\" or an absolute path without \"..\", not below /proc/self/fd";
    let path = text(at, value, accepted)?;
    let components: Vec<&str> = path.split('/').filter(|c| !matches!(*c, "" | ".")).collect();
    let open_file = matches!(
        components[..],
        ["proc", _, "fd", ..] | ["proc", _, "task", _, "fd", ..] | ["dev", "fd", ..]
    );
    let right = path.is_empty() || path.starts_with('/') && !components.contains(&"..") && !open_file;
    match right {
        true => Ok(path.into()),
        false => Err(at.wrong_text(path, accepted)),
    }
}

/// `StopSignal`: image-spec, config.md: "SIGNAME" or a number; Docker takes names without `SIG` too.
pub(super) fn stop_signal(at: At, value: &Value) -> Result<Value, ArgumentError> {
    let accepted =
        "a signal as a string: \"SIGTERM\", \"TERM\", \"SIGRTMIN+3\", \"SIGRTMAX-3\", or \"1\" to \"64\"";
    let signal = text(at, value, accepted)?;
    if is_signal(signal) {
        return Ok(signal.into());
    }
    let (prefix, bare) = match signal.get(..3) {
        Some(prefix) if prefix.eq_ignore_ascii_case("sig") => ("SIG", &signal[3..]),
        _ => ("", signal),
    };
    Err(match nearest(bare, SIGNALS) {
        Some(near) => at.error(format!("found {}, did you mean \"{prefix}{near}\"?", quote(signal))),
        None => at.wrong_text(signal, accepted),
    })
}

fn is_signal(signal: &str) -> bool {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if digits { text.parse::<u64>().ok() } else { None }
    };
    if let Some(number) = number(signal) {
        return (1..=LAST_SIGNAL).contains(&number);
    }
    let name = signal.strip_prefix("SIG").unwrap_or(signal);
    let offset = |base: &str, most: u64| {
        name.strip_prefix(base).and_then(number).is_some_and(|n| (1..=most).contains(&n))
    };
    SIGNALS.contains(&name) || offset("RTMIN+", MOST_ABOVE_RTMIN) || offset("RTMAX-", MOST_BELOW_RTMAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    type Reader = fn(At, &Value) -> Result<Value, ArgumentError>;

    fn accepts(read: Reader, values: &[&str]) {
        for value in values {
            assert_eq!(read(At::Arguments.key("x"), &json!(value)), Ok(json!(value)));
        }
    }

    fn refuses(read: Reader, values: &[&str]) {
        for value in values {
            assert!(read(At::Arguments.key("x"), &json!(value)).is_err(), "{value:?}");
        }
        for value in [json!(1), json!(null), json!({})] {
            assert!(read(At::Arguments.key("x"), &value).is_err(), "{value}");
        }
    }

    #[test]
    fn users_that_no_runtime_takes_for_root() {
        accepts(
            user,
            &["", "app", "0", "1000", "2147483647", "app:staff", "1000:staff", "app:50", "0:0", "u_1-x.y"],
        );
        refuses(
            user,
            &[
                "2147483648",
                "4294967296",
                "18446744073709551616",
                "-1",
                "+1",
                "0:-1",
                "0:2147483648",
                "a:b:c",
                ":",
                ":0",
                "app:",
                "a b",
                " app",
                "app\n",
                "a/b",
                "a\tb",
                "a\u{a0}b",
            ],
        );
        assert_eq!(
            user(At::Arguments.key("User"), &json!("4294967296")).unwrap_err().to_string(),
            "User: found \"4294967296\", accepted: \"\", a user, or user:group, each a name or a number from 0 to 2147483647"
        );
    }

    #[test]
    fn variables_have_names() {
        let at = At::Arguments.key("Env");
        for right in [json!([]), json!(["A=", "B=c=d", "C=two\nlines", "a.b=ü", "A=again"])] {
            assert_eq!(env(at, &right), Ok(right));
        }
        for (wrong, message) in [
            (json!(["A=1", "PATH"]), "Env[1]: found \"PATH\", accepted: \"NAME=value\" with a name"),
            (json!(["=x"]), "Env[0]: found \"=x\", accepted: \"NAME=value\" with a name"),
            (json!([""]), "Env[0]: found \"\", accepted: \"NAME=value\" with a name"),
            (json!(["A=\0"]), "Env[0]: found \"A=\\0\", which contains a NUL character"),
            (json!({ "A": "b" }), "Env: found a set, accepted: a list of strings such as [ \"NAME=value\" ]"),
            (json!("A=b"), "Env: found \"A=b\", accepted: a list of strings such as [ \"NAME=value\" ]"),
        ] {
            assert_eq!(env(at, &wrong).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn working_directories_lie_within_the_container() {
        accepts(
            working_dir,
            &["", "/", "/srv/app", "/srv//app/", "/srv/./app", "/a..b", "/proc", "/procs/self/fd/7"],
        );
        refuses(
            working_dir,
            &[
                "app",
                "./app",
                "..",
                "/..",
                "/a/../b",
                "/proc/self/fd",
                "/proc/self/fd/7",
                "//proc/./self//fd/7",
                "/proc/1/fd/7",
                "/proc/thread-self/fd/7",
                "/proc/self/task/1/fd/7",
                "/dev/fd/7",
            ],
        );
    }

    #[test]
    fn signals_are_linuxs() {
        accepts(
            stop_signal,
            &[
                "SIGTERM",
                "TERM",
                "SIGUSR1",
                "1",
                "64",
                "SIGRTMIN",
                "SIGRTMIN+3",
                "RTMIN+15",
                "SIGRTMAX-14",
                "RTMAX",
            ],
        );
        refuses(
            stop_signal,
            &[
                "",
                "SIG",
                "SIGFOO",
                "0",
                "65",
                "-1",
                "+9",
                "SIGRTMIN+0",
                "SIGRTMIN+16",
                "SIGRTMAX-15",
                "SIGRTMAX+1",
                "SIGSIGTERM",
            ],
        );
        for (found, meant) in [("sigterm", "SIGTERM"), ("quit", "QUIT"), ("SIGTRM", "SIGTERM")] {
            assert_eq!(
                stop_signal(At::Arguments.key("StopSignal"), &json!(found)).unwrap_err().to_string(),
                format!("StopSignal: found {found:?}, did you mean {meant:?}?")
            );
        }
    }
}
