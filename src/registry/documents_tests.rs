use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn descriptor(media_type: &str) -> Value {
    json!({ "mediaType": media_type, "digest": DIGEST, "size": 3 })
}

fn manifest() -> Value {
    json!({ "schemaVersion": 2, "mediaType": media::MANIFEST, "config": descriptor(media::CONFIG),
            "layers": [descriptor(media::LAYER)] })
}

fn index() -> Value {
    json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": [descriptor(media::MANIFEST)] })
}

fn with(mut document: Value, name: &str, value: Value) -> String {
    document[name] = value;
    document.to_string()
}

fn without(mut document: Value, name: &str) -> String {
    document.as_object_mut().unwrap().remove(name);
    document.to_string()
}

fn read(text: &str, content_type: Option<&str>) -> Result<(String, Document), String> {
    parse(text.as_bytes(), content_type, "x").map_err(|e| e.to_string())
}

fn type_of(text: &str, content_type: Option<&str>) -> Result<String, String> {
    read(text, content_type).map(|(media_type, _)| media_type)
}

#[test]
fn types_are_said_by_header_body_or_shape() {
    let is = |media_type: &str| Ok(media_type.to_string());
    let plain = without(manifest(), "mediaType");
    let plain_index = without(index(), "mediaType");
    for content_type in [None, Some(""), Some("text/plain; charset=utf-8"), Some("application/octet-stream")]
    {
        assert_eq!(type_of(&plain, content_type), is(media::MANIFEST));
        assert_eq!(type_of(&plain_index, content_type), is(media::INDEX));
        assert_eq!(type_of(&manifest().to_string(), content_type), is(media::MANIFEST));
    }
    assert_eq!(type_of(&plain, Some(docker::MANIFEST)), is(docker::MANIFEST));
    assert_eq!(
        type_of(&manifest().to_string(), Some(&format!("{};x=y", media::MANIFEST))),
        is(media::MANIFEST)
    );
    assert!(type_of(&manifest().to_string(), Some(docker::MANIFEST)).unwrap_err().contains("calls itself"));
    assert!(type_of(&plain, Some(media::INDEX)).unwrap_err().contains("readers would differ"));
    assert!(type_of(&plain_index, Some(media::MANIFEST)).unwrap_err().contains("readers would differ"));
    assert!(type_of(&plain, Some("text/html")).unwrap_err().contains("not an image"));
}

#[test]
fn ambiguous_documents_are_refused() {
    for (text, says) in [
        (with(manifest(), "manifests", json!([])), "\"manifests\" in it"),
        (with(manifest(), "fsLayers", json!([])), "\"fsLayers\" in it"),
        (with(manifest(), "history", json!([])), "\"history\" in it"),
        (with(index(), "layers", json!(null)), "\"layers\" in it"),
        (with(index(), "config", json!({})), "\"config\" in it"),
        (with(manifest(), "Layers", json!([])), "has \"Layers\", which is not \"layers\""),
        (manifest().to_string().replacen('{', r#"{"layers":[],"#, 1), "\"layers\" is there twice"),
        (manifest().to_string().replacen('{', r#"{"config":{},"#, 1), "\"config\" is there twice"),
        (index().to_string().replacen('{', r#"{"manifests":[],"#, 1), "\"manifests\" is there twice"),
        (manifest().to_string().replace(r#""size":3"#, r#""size":3,"size":4"#), "\"size\" is there twice"),
        (with(manifest(), "config", json!({ "Size": 3 })), "config has \"Size\", which is not \"size\""),
    ] {
        let error = read(&text, None).unwrap_err();
        assert!(error.contains(says), "{error}\n{text}");
    }
}

#[test]
fn schema_versions() {
    for (version, says) in [
        (json!(1), "schema 1"),
        (json!("2"), "is \"2\""),
        (json!(2.0), "is 2.0"),
        (json!(3), "is 3, expected 2"),
    ] {
        let error = read(&with(manifest(), "schemaVersion", version.clone()), None).unwrap_err();
        assert!(error.contains(says), "{version}: {error}");
    }
    assert!(read(&without(manifest(), "schemaVersion"), None).unwrap_err().contains("missing, expected 2"));
    let signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    assert!(read("{}", Some(signed)).unwrap_err().contains("schema 1"));
}

#[test]
fn shapes_and_numbers() {
    for text in [
        without(manifest(), "layers"),
        without(manifest(), "config"),
        with(manifest(), "layers", json!(null)),
        with(manifest(), "layers", json!({})),
        with(manifest(), "config", json!("x")),
        format!("{}x", manifest()),
        format!("\u{feff}{}", manifest()),
        format!("[{}]", manifest()),
        "[2]".to_string(),
        "".to_string(),
        "<html>".to_string(),
    ] {
        assert!(read(&text, None).is_err(), "{text}");
    }
    for size in ["-1", "9223372036854775808", "1e3", "\"12\"", "1.0", "null"] {
        let text = manifest().to_string().replace(r#""size":3"#, &format!(r#""size":{size}"#));
        assert!(read(&text, None).is_err(), "{size}");
    }
    let hex = &DIGEST[7..];
    for digest in ["sha256:../../x", "sha256:", "md5:0", &format!("sha256:{hex}0"), &DIGEST.to_uppercase()] {
        assert!(read(&manifest().to_string().replace(DIGEST, digest), None).is_err(), "{digest}");
    }
    let empty = read(&with(manifest(), "layers", json!([])), None).unwrap().1;
    assert!(matches!(empty, Document::Manifest(manifest) if manifest.layers.is_empty()));
}

#[test]
fn floods_are_refused_fast() {
    let start = std::time::Instant::now();
    for (text, says) in [
        (with(manifest(), "layers", json!(vec![descriptor(media::LAYER); 30_000])), "more than 1024 layers"),
        (
            with(index(), "manifests", json!(vec![descriptor(media::MANIFEST); 30_000])),
            "more than 10000 manifests",
        ),
        (format!("{}{}", r#"{"a":"#, "[".repeat(100_000)), "levels deep"),
        (
            manifest().to_string().replacen(
                '{',
                &format!(r#"{{"a":{}{},"#, "[".repeat(99), "]".repeat(99)),
                1,
            ),
            "levels deep",
        ),
    ] {
        let error = read(&text, None).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn only_images_are_images() {
    let check = |text: String| match read(&text, None).unwrap().1 {
        Document::Manifest(manifest) => check_image(&manifest, "x").map_err(|e| e.to_string()),
        Document::Index(_) => panic!("a manifest"),
    };
    assert_eq!(check(manifest().to_string()), Ok(()));
    // Docker's types in an OCI manifest: found in the wild.
    let mixed = with(manifest(), "config", descriptor(docker::CONFIG));
    assert_eq!(check(mixed), Ok(()));
    let helm = with(manifest(), "config", descriptor("application/vnd.cncf.helm.config.v1+json"));
    assert!(check(helm).unwrap_err().contains("not an image"));
    let odd = with(manifest(), "layers", json!([descriptor("application/vnd.in-toto+json")]));
    assert!(check(odd).unwrap_err().contains("unknown type"));
    let mut other = descriptor(media::LAYER);
    other["size"] = json!(4);
    let lying = with(manifest(), "layers", json!([descriptor(media::LAYER), other]));
    assert!(check(lying).unwrap_err().contains("and elsewhere"));
}

#[test]
fn configurations() {
    let right = json!({ "rootfs": { "type": "layers", "diff_ids": [DIGEST] } }).to_string();
    let check = |bytes: &[u8], layers| check_config(bytes, layers, "x").map_err(|e| e.to_string());
    assert_eq!(check(right.as_bytes(), 1), Ok(()));
    assert!(check(right.as_bytes(), 2).unwrap_err().contains("1 diff_ids, and the manifest 2 layers"));
    // Go reads bytes that are not UTF-8, and null.
    let mut odd = br#"{"author":"?","config":null,"rootfs":{"type":"layers","diff_ids":null}}"#.to_vec();
    odd[11] = 0xff;
    assert_eq!(check(&odd, 0), Ok(()));
    let numbers = br#"{"config":{"Env":3},"rootfs":{"type":"layers","diff_ids":[]}}"#;
    assert!(check(numbers, 0).unwrap_err().contains("config.Env is 3, expected a list"));
    for wrong in [
        "[]",
        "{}",
        "x",
        "",
        "\u{feff}{}",
        r#"{"rootfs":{"type":"x","diff_ids":[]}}"#,
        r#"{"rootfs":{"type":"layers","diff_ids":[]}} x"#,
    ] {
        assert!(check(wrong.as_bytes(), 0).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..200), text in r#"[\[\]{}":,0-9a-z]{0,100}"#) {
        let _ = parse(&bytes, None, "x");
        let _ = parse(text.as_bytes(), None, "x");
        let _ = check_config(&bytes, 0, "x");
    }

    #[test]
    fn a_changed_manifest_never_becomes_something_else(at in 0usize..1000, byte in any::<u8>(), media_type in any::<bool>()) {
        let mut bytes = if media_type { manifest().to_string() } else { without(manifest(), "mediaType") }.into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok((_, Document::Manifest(read))) = parse(&bytes, None, "x") {
            // Go, and every other reader without types, sees the same.
            let value: Value = serde_json::from_str(&String::from_utf8_lossy(&bytes)).unwrap();
            prop_assert_eq!(read.layers.len(), value["layers"].as_array().unwrap().len());
            prop_assert_eq!(read.config.digest.to_string(), value["config"]["digest"].as_str().unwrap());
            prop_assert!(value.get("manifests").is_none());
        }
    }

    #[test]
    fn indexes_keep_their_order(platforms in prop::collection::vec(prop::option::of(("[a-z]{1,5}", "[a-z]{1,5}", prop::option::of("v[1-9]"))), 0..6)) {
        let entry = |platform: &Option<(String, String, Option<String>)>| {
            let mut entry = descriptor(media::MANIFEST);
            if let Some((os, architecture, variant)) = platform {
                entry["platform"] = json!({ "os": os, "architecture": architecture, "variant": variant });
            }
            entry
        };
        let text = with(index(), "manifests", platforms.iter().map(entry).collect());
        let Ok((_, Document::Index(offers))) = read(&text, Some(media::INDEX)) else { panic!("an index") };
        let found: Vec<_> = offers.into_iter().map(|o| o.platform.map(|p| (p.os, p.architecture, p.variant))).collect();
        prop_assert_eq!(found, platforms);
    }
}
