//! JSON that all readers read alike: no key twice, and nothing nested out of all proportion.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Levels of a document; manifests and indexes have five.
const DEEPEST: usize = 32;

/// Reads a document. Bytes that are not UTF-8 become U+FFFD, as in Go.
pub(super) fn read(bytes: &[u8]) -> Result<Value, String> {
    check_depth(bytes)?;
    let text = String::from_utf8_lossy(bytes);
    let Unique(value) = serde_json::from_str(&text).map_err(|error| format!("not JSON: {error}"))?;
    Ok(value)
}

/// Counts brackets in brackets, before anything recurses.
fn check_depth(bytes: &[u8]) -> Result<(), String> {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} levels deep"));
        }
    }
    Ok(())
}

/// A value in which no object has a key twice: of two, Go takes the last, or merges them; others take the first.
struct Unique(Value);

impl<'d> Deserialize<'d> for Unique {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Unique, D::Error> {
        deserializer.deserialize_any(Visit).map(Unique)
    }
}

struct Visit;

impl<'d> Visitor<'d> for Visit {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(value)) = sequence.next_element()? {
            list.push(value);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'d>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("{key:?} is there twice")));
            }
            let Unique(value) = entries.next_value()?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}
