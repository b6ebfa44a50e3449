//! Explicit layers: made by themselves, and put into images as they are.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::{MadeImages, MadeLayer, Ran, Store, look, look_at_others, output, run, sha256, unpack};

/// An element of an exported graph, without references.
fn exported(path: &Path) -> Value {
    json!({ "path": path, "narSize": 1000, "narHash": format!("sha256:{}", "0".repeat(52)), "references": [] })
}

/// Builds the layer `name` of `paths`, which are all that is exported.
fn build(store: &Store, name: &str, paths: &[&Path], arguments: Value) -> Ran {
    let mut all = json!({ "paths": paths });
    all.as_object_mut().expect("a set").extend(arguments.as_object().expect("a set").clone());
    let closure: Vec<Value> = paths.iter().map(|path| exported(path)).collect();
    let attributes = json!({ "gantry": { "kind": "layer", "arguments": all }, "closure": closure });
    run(&mut store.build(&attributes, &store.path(name)))
}

#[track_caller]
fn layer(store: &Store, name: &str, paths: &[&Path], arguments: Value) -> PathBuf {
    build(store, name, paths, arguments).ok();
    store.path(name)
}

#[track_caller]
fn image(store: &Store, format: &str, paths: &[&Path], arguments: Value) -> PathBuf {
    let out = store.folder().join(format!("image-{}", store.folder().path().read_dir().expect("it").count()));
    run(&mut store.build(&store.image(format, &store.empty_root(), paths, arguments), &out)).ok();
    out
}

fn recorded(layer: &Path) -> Value {
    support::json(&fs::read_to_string(layer.join("layer.json")).expect("layer.json"))
}

fn names(paths: &[&Path]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}

/// Three store paths.
fn three(store: &Store) -> [PathBuf; 3] {
    [
        store.add("libc", &[("lib/libc.so", "the C library"), ("lib/libc.so.6", "-> libc.so")]),
        store.add("runtime", &[("bin/run", "#!/bin/sh")]),
        store.add("app", &[("share/app", &"text ".repeat(10_000))]),
    ]
}

#[test]
fn a_layer_has_the_bytes_that_an_image_would_give_it() {
    let store = Store::new();
    let [libc, runtime, app] = three(&store);
    for (compression, level) in [("none", Value::Null), ("gzip", json!(9)), ("zstd", Value::Null)] {
        let shared = json!({
            "compression": compression, "compressionLevel": level,
            "mtime": "2001-02-03T04:05:06Z", "uid": 7, "gid": 8, "uname": "me", "gname": "us",
        });
        let made = layer(&store, &format!("layer-{compression}"), &[&app, &libc, &runtime], shared.clone());
        let mut arguments = shared;
        arguments["layering"] = json!("single");
        let image = look(&image(&store, "archive", &[&libc, &runtime, &app], arguments));
        let (recorded, expected) = (recorded(&made), &image.layers[0]);
        let blob = fs::read(made.join("blob")).expect("a blob");
        assert_eq!(sha256(&blob), expected.digest, "{compression}");
        assert_eq!(recorded["blob"]["digest"], expected.digest);
        assert_eq!(recorded["blob"]["size"], expected.size);
        assert_eq!(recorded["blob"]["diffId"], expected.diff_id);
        assert_eq!(recorded["blob"]["uncompressedSize"], expected.plain_size);
        let paths: Vec<&str> = recorded["paths"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|path| path["path"].as_str().expect("a path"))
            .collect();
        assert_eq!(paths, expected.paths);
        assert_eq!(recorded["paths"][0]["narHash"], format!("sha256:{}", "0".repeat(52)));
        assert_eq!(recorded["paths"][0]["narSize"], 1000);
    }
}

#[test]
fn an_image_holds_them_between_base_and_store_layers() {
    let store = Store::new();
    let [libc, runtime, app] = three(&store);
    let base = image(&store, "layout", &[&libc], json!({}));
    let lower =
        layer(&store, "lower", &[&libc, &runtime], json!({ "fromImage": base, "compression": "zstd" }));
    let empty = layer(&store, "empty", &[&runtime], json!({ "below": [lower] }));
    let tool = store.add("tool", &[("bin/tool", "tool")]);
    let upper = layer(&store, "upper", &[&runtime, &tool], json!({ "below": [lower, empty] }));
    // What lies below all of it is left out, and so is a layer without anything else.
    assert_eq!(recorded(&empty), json!({ "version": 1, "blob": null, "paths": [] }));
    assert!(!empty.join("blob").exists());
    let closure = [&libc, &runtime, &tool, &app].map(|path| path.as_path());
    for (format, compression) in [("archive", "none"), ("layout", "gzip")] {
        let arguments =
            json!({ "layers": [lower, empty, upper], "fromImage": base, "compression": compression });
        let image = look(&image(&store, format, &closure, arguments));
        let held: Vec<&Vec<String>> = image.layers.iter().map(|layer| &layer.paths).collect();
        let expected = [names(&[&libc]), vec![], names(&[&runtime]), names(&[&tool]), names(&[&app]), vec![]];
        assert_eq!(held, expected.iter().collect::<Vec<_>>());
        assert_eq!(image.layers[2].digest, recorded(&lower)["blob"]["digest"]);
        assert!(image.layers[2].media_type.ends_with("+zstd"));
        assert_eq!(image.layers[3].digest, recorded(&upper)["blob"]["digest"]);
        assert!(image.layers[3].media_type.ends_with(".tar"));
        assert!(image.layers[4].media_type.ends_with(if compression == "gzip" { "+gzip" } else { ".tar" }));
        // (The empty root layers of base and image are one blob, of which an archive has two.)
        assert!(image.unnamed.iter().all(|name| name.starts_with("blobs/duplicate-")), "{:?}", image.unnamed);
        // Whatever compressed any of the layers is on record.
        let codecs = image.manifest["annotations"]["dev.gantry.layer.codec"].as_str().expect("a codec");
        assert!(codecs.contains("libzstd/"), "{codecs}");
        assert_eq!(codecs.contains("libdeflater/"), compression == "gzip", "{codecs}");
    }
}

#[test]
fn a_layout_links_to_their_blobs_and_skopeo_and_umoci_read_it() {
    let store = Store::new();
    let [libc, runtime, app] = three(&store);
    let gzip = layer(&store, "gzip", &[&libc], json!({ "compression": "gzip" }));
    let plain = layer(&store, "plain", &[&runtime], json!({ "below": [gzip] }));
    let arguments = json!({ "layers": [gzip, plain], "compression": "gzip" });
    let layout = image(&store, "layout", &[&libc, &runtime, &app], arguments.clone());
    for layer in [&gzip, &plain] {
        let digest = recorded(layer)["blob"]["digest"].as_str().expect("a digest").to_string();
        let link = fs::read_link(layout.join("blobs/sha256").join(&digest[7..])).expect("a link");
        assert_eq!(link, layer.join("blob"));
    }
    let archive = image(&store, "archive", &[&libc, &runtime, &app], arguments);
    assert_eq!(look(&layout).digest, look(&archive).digest);

    let copy = store.folder().join("copy");
    let (from, to) = (format!("oci:{}:1", layout.display()), format!("oci:{}:1", copy.display()));
    let keep = ["--preserve-digests", "--dest-oci-accept-uncompressed-layers"];
    run(Command::new("skopeo").args(["copy", "-q", "--insecure-policy"]).args(keep).args([&from, &to])).ok();
    assert_eq!(look(&copy).digest, look(&archive).digest);
    let root = unpack(&format!("{}:1", layout.display()), &store.folder().join("unpacked"));
    let inside = |path: &Path| root.join(path.strip_prefix("/").expect("absolute"));
    assert_eq!(fs::read_to_string(inside(&libc).join("lib/libc.so.6")).expect("a file"), "the C library");
    assert!(inside(&runtime).join("bin/run").exists() && inside(&app).join("share/app").exists());
    let shown = run(store.command().args(["inspect", "--json"]).arg(&layout)).ok();
    assert_eq!(support::json(&shown)["layers"][0]["paths"], json!(names(&[&libc])));
}

#[test]
fn the_layers_below_are_not_written_again() {
    let store = Store::new();
    let [libc, _, app] = three(&store);
    let lower = layer(&store, "lower", &[&libc], json!({}));
    // A blob that nobody reads: its bytes are gone, its size is not.
    let size = fs::metadata(lower.join("blob")).expect("a blob").len();
    fs::write(lower.join("blob"), vec![0; usize::try_from(size).expect("small")]).expect("a file");
    image(&store, "layout", &[&libc, &app], json!({ "layers": [lower] }));
    // Copied, it is found out.
    let attributes =
        store.image("archive", &store.empty_root(), &[&libc, &app], json!({ "layers": [lower] }));
    let out = store.folder().join("archive");
    let error = run(&mut store.build(&attributes, &out)).err();
    assert!(error.contains("blob has the digest") && error.contains("it was changed"), "{error}");
    assert!(!out.exists());
}

#[test]
fn all_layers_count() {
    let store = Store::new();
    let [libc, runtime, app] = three(&store);
    let lower = layer(&store, "lower", &[&libc], json!({}));
    let upper = layer(&store, "upper", &[&runtime], json!({ "below": [lower] }));
    let closure = [&libc, &runtime, &app].map(|path| path.as_path());
    let tool = store.add("tool", &[("bin/tool", "tool")]);
    let four = [&closure[..], &[&tool]].concat();
    for (most, layers) in [(3, 3), (4, 4), (5, 5), (6, 5)] {
        let arguments = json!({ "layers": [lower, upper], "maxLayers": most });
        let image = look(&image(&store, "archive", &four, arguments));
        assert_eq!(image.layers.len(), layers, "{most}");
        assert_eq!(image.paths().len(), 4);
    }
    let base = image(&store, "layout", &[], json!({}));
    let arguments = json!({ "layers": [lower, upper], "fromImage": base, "maxLayers": 3 });
    let attributes = store.image("archive", &store.empty_root(), &four, arguments);
    let error = run(&mut store.build(&attributes, &store.folder().join("too-many"))).err();
    let expected =
        "fromImage has 1 layers and there are 2 explicit ones, and maxLayers is 3: at least 4 are needed";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_base_of_others_may_lie_below() {
    let store = Store::new();
    let [libc, runtime, _] = three(&store);
    let made = MadeImages::new();
    made.tag("1", made.image("linux/amd64", &[MadeLayer::file("etc/base", "base")], json!({})));
    let base = made.folder.path();
    let lower = layer(&store, "lower", &[&libc], json!({ "fromImage": base }));
    let image = image(&store, "layout", &[&libc, &runtime], json!({ "layers": [lower], "fromImage": base }));
    let image = look_at_others(&image);
    assert_eq!(image.layers[1].paths, names(&[&libc]));
    assert_eq!(image.layers[2].paths, names(&[&runtime]));
}

#[test]
fn an_image_has_what_its_layers_need() {
    let store = Store::new();
    let [libc, runtime, app] = three(&store);
    let lower = layer(&store, "lower", &[&libc], json!({}));
    let mut needy = exported(&runtime);
    needy["references"] = json!([libc, runtime]);
    let arguments = json!({ "paths": [runtime], "below": [lower] });
    let attributes = json!({
        "gantry": { "kind": "layer", "arguments": arguments }, "closure": [exported(&libc), needy] });
    let upper = store.path("upper");
    run(&mut store.build(&attributes, &upper)).ok();
    assert_eq!(recorded(&upper)["paths"][0]["references"], json!([libc, runtime]));

    // Below it, or above.
    image(&store, "layout", &[&app], json!({ "layers": [lower, upper] }));
    image(&store, "layout", &[&app, &libc], json!({ "layers": [upper] }));
    let attributes = store.image("layout", &store.empty_root(), &[&app], json!({ "layers": [upper] }));
    let error = run(&mut store.build(&attributes, &store.folder().join("refused"))).err();
    let expected = format!("{} needs {}, which is in no layer", runtime.display(), libc.display());
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn a_closure_that_is_exported_to_be_described_is_not_shipped() {
    let store = Store::new();
    let [libc, ..] = three(&store);
    let image = look(&image(&store, "archive", &[&libc], json!({ "includeStorePaths": false })));
    assert_eq!(image.layers.len(), 1);
    assert_eq!(image.paths().len(), 0);
}

#[test]
fn what_is_wrong_is_named() {
    let store = Store::new();
    let [libc, runtime, app] = three(&store);
    // A path in a store path is in its closure.
    layer(&store, "within", &[&libc], json!({ "paths": [libc.join("lib")] }));
    let error = build(&store, "unexported", &[&libc], json!({ "paths": [runtime] })).err();
    assert!(
        error.contains(&format!("paths: {} is not in the exported closure", runtime.display())),
        "{error}"
    );
    let error = build(&store, "unknown", &[&libc], json!({ "path": [] })).err();
    assert!(error.contains("path: unknown argument, did you mean \"paths\"?"), "{error}");

    let lower = layer(&store, "lower", &[&libc], json!({}));
    let written = fs::read_to_string(lower.join("layer.json")).expect("a file");
    for (wrong, message) in [
        (written.replacen('{', "{\"more\":1,", 1), "unknown field `more`"),
        (written.replace("\"version\":1", "\"version\":2"), "version 2, expected 1"),
        (String::new(), "EOF"),
    ] {
        fs::write(lower.join("layer.json"), wrong).expect("a file");
        let attributes = store.image("layout", &store.empty_root(), &[&app], json!({ "layers": [lower] }));
        let error = run(&mut store.build(&attributes, &store.folder().join("refused"))).err();
        assert!(error.contains("layer.json: ") && error.contains(message), "{error}");
    }
    let error = build(&store, "above", &[&app], json!({ "below": [app] })).err();
    assert!(error.contains("layer.json: No such file"), "{error}");
    assert!(!store.path("above").exists());
    assert_eq!(output("find", &[store.folder().path().to_str().expect("UTF-8"), "-name", ".gantry-*"]), "");
}
