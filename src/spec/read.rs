//! Small typed readers over the arguments' JSON, which know where in the arguments they stand.
//!
//! [`At`] is the way to a value (a chain of borrowed steps, so walking costs nothing until there is
//! an error to report) and [`Found`] is what stands there, with the evaluator's knowledge restored:
//! the shim writes what JSON cannot say as a set with one key that starts with NUL, which no Nix
//! string can contain. In the builder the same readers see plain JSON and no such sets.

use serde_json::{Map, Value};

use super::nearest::unknown;
use super::{ArgumentError, Step};

/// The most characters of a found value that a message repeats.
const SHOWN: usize = 60;

/// The way from the argument set to a value.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    /// The argument set itself.
    Arguments,
    /// An attribute of the set at the place given.
    Key(&'a At<'a>, &'a str),
    /// An element of the list at the place given.
    Index(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    /// The place of an attribute of the set here.
    pub(super) fn key(&'a self, key: &'a str) -> At<'a> {
        At::Key(self, key)
    }

    /// The place of an element of the list here.
    pub(super) fn index(&'a self, index: usize) -> At<'a> {
        At::Index(self, index)
    }

    /// An error about the value here.
    pub(super) fn error(&self, message: impl Into<String>) -> ArgumentError {
        let mut path = Vec::new();
        let mut place = self;
        loop {
            place = match place {
                At::Arguments => break,
                At::Key(parent, key) => {
                    path.push(Step::Key((*key).to_owned()));
                    parent
                }
                At::Index(parent, index) => {
                    path.push(Step::Index(*index));
                    parent
                }
            };
        }
        path.reverse();
        ArgumentError { path, message: message.into() }
    }

    /// The error for a value that is not what belongs here: what was found, what is accepted.
    pub(super) fn wrong(&self, value: &Value, accepted: &str) -> ArgumentError {
        match Found::of(value) {
            // Its bytes are escaped already.
            Found::NotUtf8(lossy) => self.error(format!("\"{}\" is not valid UTF-8", shorten(lossy))),
            found => self.error(format!("found {}, accepted: {accepted}", found.describe())),
        }
    }

    /// The same for a text that is of the right type, or for an attribute's name.
    pub(super) fn wrong_text(&self, text: &str, accepted: &str) -> ArgumentError {
        self.error(format!("found {}, accepted: {accepted}", quote(text)))
    }
}

/// A value as the evaluator knows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Found<'a> {
    Null,
    Boolean(bool),
    Integer(i128),
    Float(f64),
    /// A string without context.
    Text(&'a str),
    /// A string with context: also what a derivation, or any set with `outPath`, is coerced to.
    Context(&'a str),
    /// A Nix path value.
    Path(&'a str),
    /// A string that is not UTF-8, lossily converted.
    NotUtf8(&'a str),
    Function,
    /// A set that the evaluator did not look into.
    Unread,
    List(&'a [Value]),
    Set(&'a Map<String, Value>),
}

impl<'a> Found<'a> {
    /// What `value` stands for.
    pub(super) fn of(value: &'a Value) -> Found<'a> {
        match value {
            Value::Null => Found::Null,
            Value::Bool(value) => Found::Boolean(*value),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(integer), _) => Found::Integer(integer.into()),
                (None, Some(integer)) => Found::Integer(integer.into()),
                (None, None) => Found::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Found::Text(text),
            Value::Array(elements) => Found::List(elements),
            Value::Object(set) => Found::tagged(set).unwrap_or(Found::Set(set)),
        }
    }

    fn tagged(set: &'a Map<String, Value>) -> Option<Found<'a>> {
        if set.len() != 1 {
            return None;
        }
        let (tag, value) = set.iter().next()?;
        match (tag.strip_prefix('\0')?, value) {
            ("string", Value::String(text)) => Some(Found::Context(text)),
            ("path", Value::String(text)) => Some(Found::Path(text)),
            ("bytes", Value::String(text)) => Some(Found::NotUtf8(text)),
            ("function", Value::Bool(true)) => Some(Found::Function),
            ("set", Value::Bool(true)) => Some(Found::Unread),
            _ => None,
        }
    }

    /// The value in a message: `an integer (3)`, `a list`, `"text"`.
    pub(super) fn describe(&self) -> String {
        match self {
            Found::Null => "null".to_owned(),
            Found::Boolean(value) => format!("a boolean ({value})"),
            Found::Integer(value) => format!("an integer ({value})"),
            Found::Float(value) => format!("a float ({value})"),
            Found::Text(text) | Found::Context(text) | Found::NotUtf8(text) => quote(text),
            Found::Path(path) => format!("a path ({})", shorten(path)),
            Found::Function => "a function".to_owned(),
            Found::List(_) => "a list".to_owned(),
            Found::Set(_) | Found::Unread => "a set".to_owned(),
        }
    }
}

/// `text` in quotes, without its tail if it is long.
pub(super) fn quote(text: &str) -> String {
    format!("{:?}", shorten(text))
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A string, whatever its context; a Nix path counts as its text.
pub(super) fn text<'v>(at: At, value: &'v Value, accepted: &str) -> Result<&'v str, ArgumentError> {
    match Found::of(value) {
        Found::Text(text) | Found::Context(text) | Found::Path(text) => {
            no_nul(at, text)?;
            Ok(text)
        }
        _ => Err(at.wrong(value, accepted)),
    }
}

/// A string, whatever its context, but no Nix path: what is meant is text, or a path in the image, and
/// Nix would put a file of this machine into the store.
pub(super) fn string<'v>(at: At, value: &'v Value, accepted: &str) -> Result<&'v str, ArgumentError> {
    match Found::of(value) {
        Found::Path(_) => Err(at.wrong(value, accepted)),
        _ => text(at, value, accepted),
    }
}

/// Refuses NUL, which JSON can write but neither Nix nor a process's environment can hold.
pub(super) fn no_nul(at: At, text: &str) -> Result<(), ArgumentError> {
    match text.contains('\0') {
        true => Err(at.error(format!("found {}, which contains a NUL character", quote(text)))),
        false => Ok(()),
    }
}

/// An integer from `least` to `most`, both included.
pub(super) fn integer(
    at: At,
    value: &Value,
    least: i64,
    most: i64,
    accepted: &str,
) -> Result<i64, ArgumentError> {
    match Found::of(value) {
        Found::Integer(found) => match i64::try_from(found) {
            Ok(integer) if (least..=most).contains(&integer) => Ok(integer),
            _ => Err(at.wrong(value, accepted)),
        },
        _ => Err(at.wrong(value, accepted)),
    }
}

/// `true` or `false`.
pub(super) fn boolean(at: At, value: &Value) -> Result<bool, ArgumentError> {
    match Found::of(value) {
        Found::Boolean(boolean) => Ok(boolean),
        _ => Err(at.wrong(value, "true or false")),
    }
}

/// A list.
pub(super) fn list<'v>(at: At, value: &'v Value, accepted: &str) -> Result<&'v [Value], ArgumentError> {
    match Found::of(value) {
        Found::List(elements) => Ok(elements),
        _ => Err(at.wrong(value, accepted)),
    }
}

/// A set whose attributes are looked at.
pub(super) fn set<'v>(
    at: At,
    value: &'v Value,
    accepted: &str,
) -> Result<&'v Map<String, Value>, ArgumentError> {
    match Found::of(value) {
        Found::Set(set) => Ok(set),
        _ => Err(at.wrong(value, accepted)),
    }
}

/// A set that has no attributes but `known` ones.
pub(super) fn attributes<'v>(
    at: At,
    value: &'v Value,
    accepted: &str,
    known: &[&str],
) -> Result<&'v Map<String, Value>, ArgumentError> {
    let set = set(at, value, accepted)?;
    match set.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(at.key(key).error(unknown("attribute", key, known.iter().copied()))),
        None => Ok(set),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tags_of_the_evaluator_are_told_from_sets() {
        for (value, found) in [
            (json!({ "\0string": "/nix/store/x" }), Found::Context("/nix/store/x")),
            (json!({ "\0path": "/home/x" }), Found::Path("/home/x")),
            (json!({ "\0bytes": "caf\u{fffd}" }), Found::NotUtf8("caf\u{fffd}")),
            (json!({ "\0function": true }), Found::Function),
            (json!({ "\0set": true }), Found::Unread),
            (json!("text"), Found::Text("text")),
            (json!(u64::MAX), Found::Integer(u64::MAX.into())),
            (json!(0.5), Found::Float(0.5)),
        ] {
            assert_eq!(Found::of(&value), found, "{value}");
        }
        for set in [json!({}), json!({ "string": "x" }), json!({ "\0string": 3 }), json!({ "\0other": true })]
        {
            assert!(matches!(Found::of(&set), Found::Set(_)), "{set}");
        }
    }

    #[test]
    fn messages_name_what_was_found() {
        for (value, description) in [
            (json!(null), "null"),
            (json!(true), "a boolean (true)"),
            (json!(3), "an integer (3)"),
            (json!(1.5), "a float (1.5)"),
            (json!("a\"b"), r#""a\"b""#),
            (json!([]), "a list"),
            (json!({ "a": 1 }), "a set"),
            (json!({ "\0path": "/x" }), "a path (/x)"),
            (json!({ "\0function": true }), "a function"),
        ] {
            assert_eq!(Found::of(&value).describe(), description);
        }
    }

    #[test]
    fn long_values_are_shortened_to_sixty_characters() {
        assert_eq!(quote(&"é".repeat(60)), format!("\"{}\"", "é".repeat(60)));
        assert_eq!(quote(&"é".repeat(61)), format!("\"{}…\"", "é".repeat(60)));
    }

    #[test]
    fn errors_carry_the_whole_way() {
        let config = At::Arguments.key("config");
        let cmd = config.key("Cmd");
        let error = cmd.index(2).wrong(&json!(3), "a string");
        assert_eq!(error.path, [Step::Key("config".to_owned()), Step::Key("Cmd".to_owned()), Step::Index(2)]);
        assert_eq!(error.to_string(), "config.Cmd[2]: found an integer (3), accepted: a string");
    }

    #[test]
    fn a_string_that_is_not_utf8_is_refused_by_every_reader() {
        let value = json!({ "\0bytes": "caf\u{fffd}" });
        let at = At::Arguments.key("x");
        let message = "x: \"caf\u{fffd}\" is not valid UTF-8";
        assert_eq!(text(at, &value, "").unwrap_err().to_string(), message);
        assert_eq!(integer(at, &value, 0, 1, "").unwrap_err().to_string(), message);
        assert_eq!(boolean(at, &value).unwrap_err().to_string(), message);
        assert_eq!(list(at, &value, "").unwrap_err().to_string(), message);
        assert_eq!(set(at, &value, "").unwrap_err().to_string(), message);
    }

    #[test]
    fn a_path_is_text_but_no_string() {
        let at = At::Arguments.key("x");
        let path = json!({ "\0path": "/x" });
        assert_eq!(text(at, &path, ""), Ok("/x"));
        assert_eq!(
            string(at, &path, "text").unwrap_err().to_string(),
            "x: found a path (/x), accepted: text"
        );
        assert_eq!(string(at, &json!({ "\0string": "/x" }), ""), Ok("/x"));
    }

    #[test]
    fn nul_is_refused_in_plain_json() {
        let error = text(At::Arguments.key("x"), &json!("a\0b"), "").unwrap_err();
        assert_eq!(error.to_string(), r#"x: found "a\0b", which contains a NUL character"#);
    }
}
