//! `compressor`: the archive as a whole, compressed, as other programs read it.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::{Store, listing, look, podman_load, run, through};

/// Attributes of an image with several chunks of either codec.
fn image(store: &Store, format: &str, compressor: &str, arguments: Value) -> Value {
    let numbers: String = (0..900_000).map(|i| format!("{i} ")).collect();
    let path = store.add("numbers", &[("data", &numbers)]);
    let mut attributes = store.image(format, &store.empty_root(), &[&path], arguments);
    attributes["gantry"]["compressor"] = json!(compressor);
    attributes
}

#[track_caller]
fn build(store: &Store, attributes: &Value, name: &str, cores: &str) -> PathBuf {
    let out = store.folder().join(name);
    run(store.build(attributes, &out).args(["--cores", cores])).ok();
    out
}

#[test]
fn what_is_compressed_is_the_archive() {
    let store = Store::new();
    let plain = build(&store, &image(&store, "archive", "none", json!({})), "plain", "2");
    let plain_bytes = fs::read(&plain).expect("an archive");
    for (compressor, test, decompress) in [("gz", "gzip -t", "gzip -dc"), ("zstd", "zstd -qt", "zstd -qdc")] {
        let attributes = image(&store, "archive", compressor, json!({}));
        let packed = build(&store, &attributes, compressor, "2");
        let bytes = fs::read(&packed).expect("an archive");
        assert!(bytes.len() < plain_bytes.len() / 2, "{compressor}");
        through(test, &bytes);
        assert!(through(decompress, &bytes) == plain_bytes, "{compressor}");
        for cores in ["1", "5"] {
            let name = format!("{compressor}-{cores}");
            let again = build(&store, &attributes, &name, cores);
            assert!(fs::read(again).expect("an archive") == bytes, "{name}");
        }
        assert_eq!(podman_load(&packed), ["docker.io/library/test:1"]);
        // skopeo 1.9 reads no docker-archive that is gzip's, whoever compressed it.
        if compressor == "zstd" {
            let copy = store.folder().join("copy");
            let (from, to) =
                (format!("docker-archive:{}", packed.display()), format!("oci:{}:1", copy.display()));
            run(Command::new("skopeo").args(["copy", "-q", "--insecure-policy", &from, &to])).ok();
            assert_eq!(look(&copy).config, look(&plain).config);
        }
    }
}

#[test]
fn layers_may_be_compressed_as_well() {
    let store = Store::new();
    let arguments = json!({ "compression": "zstd" });
    let plain = build(&store, &image(&store, "archive", "none", arguments.clone()), "plain", "2");
    let packed = build(&store, &image(&store, "archive", "gz", arguments), "packed", "2");
    assert!(through("gzip -dc", &fs::read(packed).expect("it")) == fs::read(plain).expect("it"));
}

#[test]
fn the_plain_archive_is_gone_at_the_end() {
    let store = Store::new();
    let temporary = store.folder().join("temporary");
    fs::create_dir(&temporary).expect("a directory");
    let attributes = image(&store, "archive", "zstd", json!({}));
    let out = store.folder().join("out");
    run(store.build(&attributes, &out).env("TMPDIR", &temporary)).ok();
    assert_eq!(listing(&temporary), Vec::<String>::new());
    // It has to be somewhere.
    let missing = store.folder().join("missing");
    let error = run(store.build(&attributes, &store.folder().join("none")).env("TMPDIR", &missing)).err();
    assert!(error.contains(missing.to_str().expect("UTF-8")), "{error}");
}

#[test]
fn an_index_is_compressed_too() {
    let store = Store::new();
    let member = build(&store, &image(&store, "layout", "none", json!({})), "member", "2");
    let index = |compressor: &str| {
        json!({ "gantry": {
            "kind": "index", "format": "archive", "compressor": compressor,
            "arguments": { "name": "multi", "tag": "1", "manifests": [member] },
        } })
    };
    let plain = build(&store, &index("none"), "index", "2");
    let packed = build(&store, &index("gz"), "index.gz", "2");
    assert!(through("gzip -dc", &fs::read(packed).expect("it")) == fs::read(plain).expect("it"));
}

#[test]
fn what_cannot_be_compressed_is_refused() {
    let store = Store::new();
    let refused = |format: &str, compressor: &str| {
        let out: &Path = &store.folder().join("refused");
        let error = run(&mut store.build(&image(&store, format, compressor, json!({})), out)).err();
        assert!(!out.exists());
        error
    };
    for format in ["layout", "stream"] {
        let error = refused(format, "gz");
        assert!(
            error.contains("compressor: found \"gz\", accepted: \"none\" unless format = \"archive\""),
            "{error}"
        );
    }
    let error = refused("archive", "xz");
    assert!(error.contains("compressor: found \"xz\", accepted: \"none\" or \"gz\" or \"zstd\""), "{error}");
}
