//! The scanner against serde_json, which is another parser, over documents that both can read.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

fn values() -> impl Strategy<Value = Value> {
    let texts = "[a-c<>&\"\\\\/\u{2028}\u{2029}\u{20ac}\u{7f}\n\u{1}é ]{0,6}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)), // which serde_json reads exactly,
        texts.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(texts, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn compacted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    compact(text, &mut out);
    out
}

/// What Go's HTML escapes make of a compact text.
fn escaped(text: &str) -> String {
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

proptest! {
    #[test]
    fn members_and_compact_form_are_those_of_serde_json(map in prop::collection::btree_map("[a-d\"\\\\\n]{0,3}", values(), 0..6)) {
        let map: Map<String, Value> = map.into_iter().collect();
        for text in [serde_json::to_string(&map).unwrap(), serde_json::to_string_pretty(&map).unwrap()] {
            let members = object(text.as_bytes()).unwrap();
            let read: Map<String, Value> = members.iter().map(|(key, value)| {
                (String::from_utf8(key.to_vec()).unwrap(), serde_json::from_slice(value).unwrap())
            }).collect();
            prop_assert_eq!(&read, &map);
            let plain = escaped(&serde_json::to_string(&map).unwrap());
            prop_assert_eq!(String::from_utf8(compacted(text.as_bytes())).unwrap(), plain);
        }
    }

    /// Texts that are almost JSON.
    #[test]
    fn the_grammar_is_that_of_serde_json(text in r#"( |\[|\]|\{|\}|,|:|"a"|"\\u00e9"|"\\x"|"\\u12"|-|0|1|\.|e|E|\+|true|nul|null|"){0,12}"#) {
        let inside = format!("[{text}]");
        let there = serde_json::from_str::<Vec<serde::de::IgnoredAny>>(&inside);
        prop_assert_eq!(array(inside.as_bytes()).is_ok(), there.is_ok(), "{}", inside);
    }

    #[test]
    fn nothing_panics(text in prop::collection::vec(any::<u8>(), 0..200), json in r#"[\[\]{}",:\\u0-9a-f. -]{0,60}"#) {
        for text in [&text[..], json.as_bytes()] {
            let _ = (object(text), array(text), string(text), compacted(text));
            let _ = object(&[b"{\"a\":", text, b"}"].concat());
            let _ = string(&[b"\"", text, b"\""].concat());
        }
    }
}

#[test]
fn nesting_is_bounded_where_go_bounds_it() {
    // skopeo 1.9.3 takes 10000 levels and refuses 10001 ("exceeded max depth"; tests/docker_archive.rs).
    let nested = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    assert!(object(nested(10_000).as_bytes()).is_ok());
    assert!(object(nested(10_001).as_bytes()).is_err());
    assert!(object("{\"a\":".repeat(1_000_000).as_bytes()).is_err());
    assert!(array("[".repeat(1_000_000).as_bytes()).is_err());
}

#[test]
fn what_is_no_object_is_refused() {
    for wrong in
        ["", " ", "[]", "null", "\u{feff}{}", "{} {}", "{}x", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "{'a':1}"]
    {
        assert!(object(wrong.as_bytes()).is_err(), "{wrong}");
    }
    for right in ["{}", " {\r\n\t} ", "{\"a\":1}\n"] {
        assert!(object(right.as_bytes()).is_ok(), "{right}");
    }
}

#[test]
fn numbers_strings_and_keys_keep_their_spelling() {
    let text = br#"{ "\u0063onfig" : [ 1.0e10 , -0 , 12345678901234567890123 , "\/\u0041\ud800 <" ] }"#;
    let members = object(text).unwrap();
    assert_eq!(*members[0].0, *b"config");
    assert_eq!(compacted(members[0].1), br#"[1.0e10,-0,12345678901234567890123,"\/\u0041\ud800 \u003c"]"#);
    assert_eq!(compacted(b"\"\xff\xe2\x80\xa8\xe2\x80\xe2\""), b"\"\xff\\u2028\xe2\x80\xe2\"");
}
