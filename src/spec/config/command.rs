//! Commands: lists of words, never a line for a shell to take apart.

use serde_json::Value;

use crate::spec::ArgumentError;
use crate::spec::read::{At, Found, list, quote, text};

/// The most words of a string that an example shows as a list.
const SHOWN_WORDS: usize = 8;

/// `Cmd`, `Entrypoint`, `Shell`: the words of a command.
pub(super) fn words(at: At, value: &Value) -> Result<Value, ArgumentError> {
    strings(at, value, |line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // Quotes and variables mean something to a shell alone; better a made-up example than a wrong one.
        let plain = (1..=SHOWN_WORDS).contains(&words.len()) && !line.contains(['"', '\'', '\\', '$']);
        if plain { words } else { vec!["/bin/app", "--option"] }
    })
}

/// `OnBuild`: Dockerfile instructions, a line each.
pub(super) fn instructions(at: At, value: &Value) -> Result<Value, ArgumentError> {
    strings(at, value, |line| vec![line])
}

/// `Healthcheck.Test` (image-spec leaves it to Docker: moby, `HealthConfig.Test`).
pub(super) fn health_test(at: At, value: &Value) -> Result<Value, ArgumentError> {
    let test = strings(at, value, |line| vec!["CMD-SHELL", line])?;
    match test.get(0) {
        Some(kind) if !matches!(kind.as_str(), Some("NONE" | "CMD" | "CMD-SHELL")) => {
            Err(at.index(0).wrong(kind, "\"NONE\", \"CMD\" or \"CMD-SHELL\" as the first element"))
        }
        _ => Ok(test),
    }
}

/// A list of strings. `as_list` shows how a single string would be written as one.
fn strings<'v>(
    at: At,
    value: &'v Value,
    as_list: impl Fn(&'v str) -> Vec<&'v str>,
) -> Result<Value, ArgumentError> {
    let example = match Found::of(value) {
        Found::Text(line) | Found::Context(line) => {
            as_list(line).into_iter().map(quote).collect::<Vec<_>>().join(" ")
        }
        _ => "\"/bin/app\" \"--option\"".to_owned(),
    };
    let elements = list(at, value, &format!("a list of strings such as [ {example} ]"))?;
    elements
        .iter()
        .enumerate()
        .map(|(i, element)| text(at.index(i), element, "a string").map(Value::from))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: At = At::Key(&At::Arguments, "Cmd");

    #[test]
    fn commands_are_lists_of_strings() {
        for right in [json!([]), json!(["nginx", "-g", "daemon off;"]), json!([""])] {
            assert_eq!(words(AT, &right), Ok(right));
        }
        for (wrong, message) in [
            (json!(["sleep", 5]), "Cmd[1]: found an integer (5), accepted: a string"),
            (json!(["x", null]), "Cmd[1]: found null, accepted: a string"),
            (
                json!({}),
                "Cmd: found a set, accepted: a list of strings such as [ \"/bin/app\" \"--option\" ]",
            ),
        ] {
            assert_eq!(words(AT, &wrong).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_string_is_answered_with_its_list_form() {
        let message = |read: fn(At, &Value) -> Result<Value, ArgumentError>, line: &str| {
            read(AT, &json!(line)).unwrap_err().message
        };
        assert_eq!(
            message(words, "sleep 5"),
            "found \"sleep 5\", accepted: a list of strings such as [ \"sleep\" \"5\" ]"
        );
        assert_eq!(
            message(words, "echo '$HOME'"),
            "found \"echo '$HOME'\", accepted: a list of strings such as [ \"/bin/app\" \"--option\" ]"
        );
        assert_eq!(
            message(instructions, "RUN make"),
            "found \"RUN make\", accepted: a list of strings such as [ \"RUN make\" ]"
        );
        assert_eq!(
            message(health_test, "curl -f /"),
            "found \"curl -f /\", accepted: a list of strings such as [ \"CMD-SHELL\" \"curl -f /\" ]"
        );
    }

    #[test]
    fn health_tests_begin_with_their_kind() {
        for right in [json!([]), json!(["NONE"]), json!(["CMD", "x", "y"]), json!(["CMD-SHELL", "x || y"])] {
            assert_eq!(health_test(AT, &right), Ok(right));
        }
        assert_eq!(
            health_test(AT, &json!(["curl"])).unwrap_err().to_string(),
            "Cmd[0]: found \"curl\", accepted: \"NONE\", \"CMD\" or \"CMD-SHELL\" as the first element"
        );
    }
}
