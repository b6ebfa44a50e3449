//! `gantry merge` and its builder: several images in one archive, each as it was.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::{
    Folder, MadeImages, MadeLayer, Ran, Store, json, look, look_at_others, output, podman_load, run, sha256,
    through,
};

/// An image `name:1` of a file that it shares with all others, and one of its own.
#[track_caller]
fn image(store: &Store, name: &str, format: &str, arguments: Value) -> PathBuf {
    let shared = store.path("shared");
    if !shared.exists() {
        store.add("shared", &[("data", &"shared ".repeat(50_000))]);
    }
    let short = name.rsplit('/').next().unwrap_or_default();
    let own = store.add(&format!("own-{short}"), &[("name", name)]);
    let mut all = json!({ "name": name });
    all.as_object_mut().expect("a set").extend(arguments.as_object().expect("a set").clone());
    let attributes = store.image(format, &store.empty_root(), &[&shared, &own], all);
    let out =
        store.folder().join(format!("{short}-{}", fs::read_dir(store.folder().path()).expect("it").count()));
    run(&mut store.build(&attributes, &out)).ok();
    out
}

fn merge(store: &Store, images: &[&Path], arguments: &[&str], out: &str) -> (PathBuf, Ran) {
    let out = store.folder().join(out);
    (out.clone(), run(store.command().arg("merge").args(images).args(arguments).arg("-o").arg(&out)))
}

#[track_caller]
fn merged(store: &Store, images: &[&Path]) -> PathBuf {
    let (out, ran) = merge(store, images, &[], "merged.tar");
    ran.ok();
    out
}

#[track_caller]
fn skopeo_copy(from: &str, to: &str) {
    let keep = "--dest-oci-accept-uncompressed-layers";
    run(Command::new("skopeo").args(["copy", "-q", "--insecure-policy", keep, from, to])).ok();
}

/// The image that skopeo finds in an OCI archive under `name`.
#[track_caller]
fn found(archive: &Path, name: &str) -> support::Image {
    let folder = Folder::new();
    let copy = folder.join("copy");
    skopeo_copy(&format!("oci-archive:{}:{name}", archive.display()), &format!("oci:{}:1", copy.display()));
    look_at_others(&copy)
}

/// The configuration that skopeo finds under `name`. (Of a docker-archive it makes a manifest that is wrong about
/// compression, so there is nothing more to compare.)
#[track_caller]
fn docker_config(archive: &Path, name: &str) -> Value {
    let from = format!("docker-archive:{}:{name}", archive.display());
    json(&output("skopeo", &["inspect", "--config", "--raw", &from]))
}

/// A file of an archive, by GNU tar.
#[track_caller]
fn member(archive: &Path, name: &str) -> Vec<u8> {
    let tar = Command::new("tar").arg("-xOf").arg(archive).arg(name).output().expect("tar");
    assert!(tar.status.success(), "{name}");
    tar.stdout
}

/// The names of an archive's members; no blob is there twice, and each is what it is called.
#[track_caller]
fn members(archive: &Path) -> Vec<String> {
    let listed = output("tar", &["-tf", archive.to_str().expect("UTF-8")]);
    let names: Vec<String> = listed.lines().map(str::to_string).collect();
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len(), "{names:?}");
    for name in names.iter().filter(|name| name.starts_with("blobs/") && !name.ends_with('/')) {
        assert_eq!(sha256(&member(archive, name)), name.replace("blobs/sha256/", "sha256:"));
    }
    names
}

#[test]
fn every_image_is_found_by_its_name() {
    let store = Store::new();
    let archive = image(&store, "app", "archive", json!({}));
    let layout = image(&store, "registry.example/team/db", "layout", json!({ "compression": "gzip" }));
    let zstd = image(&store, "me/tool", "archive", json!({ "compression": "zstd" }));
    let old = store.folder().join("old.tar");
    let plain = image(&store, "old", "archive", json!({ "architecture": "arm64" }));
    skopeo_copy(
        &format!("docker-archive:{}", plain.display()),
        &format!("docker-archive:{}:old:v1", old.display()),
    );
    let packed = store.folder().write("old.tar.gz", through("gzip -9n", &fs::read(&old).expect("it")));

    let merged = merged(&store, &[&archive, &layout, &zstd, &packed]);
    members(&merged);
    let names = ["app:1", "registry.example/team/db:1", "me/tool:1"];
    for (original, name) in [&archive, &layout, &zstd].into_iter().zip(names) {
        let original = look(original);
        let copy = found(&merged, name);
        assert_eq!(copy.digest, original.digest, "{name}");
        assert_eq!(docker_config(&merged, name), original.config, "{name}");
    }
    assert_eq!(found(&merged, "docker.io/library/old:v1").config, look(&plain).config);
    assert_eq!(docker_config(&merged, "old:v1"), look(&plain).config);

    let docker = json(&String::from_utf8(member(&merged, "manifest.json")).expect("UTF-8"));
    let tags: Vec<&Value> =
        docker.as_array().expect("a list").iter().map(|image| &image["RepoTags"]).collect();
    let old = "docker.io/library/old:v1";
    assert_eq!(tags, [&json!([names[0]]), &json!([names[1]]), &json!([names[2]]), &json!([old])]);
    // The layers of a docker-archive stay as they are: plain.
    let layer = docker[3]["Layers"][0].as_str().expect("a layer");
    assert!(
        member(&merged, layer).starts_with(b"nix/") || member(&merged, layer).starts_with(b"/"),
        "{layer}"
    );
    let index = json(&String::from_utf8(member(&merged, "index.json")).expect("UTF-8"));
    let full = &index["manifests"][0]["annotations"]["io.containerd.image.name"];
    assert_eq!(full, "docker.io/library/app:1");
    assert_eq!(index["manifests"][3]["platform"]["architecture"], "arm64");
}

/// An image on top of a base.
fn on_top(store: &Store, base: &Path, arguments: Value) -> Ran {
    let mut all = json!({ "fromImage": base });
    all.as_object_mut().expect("a set").extend(arguments.as_object().expect("a set").clone());
    let out = store.folder().join(format!("on-{}", fs::read_dir(store.folder().path()).expect("it").count()));
    run(&mut store.build(&store.image("archive", &store.empty_root(), &[], all), &out))
}

#[test]
fn one_of_several_images_is_not_taken_silently() {
    let store = Store::new();
    let app = image(&store, "app", "archive", json!({}));
    let tool = image(&store, "me/tool", "archive", json!({}));
    let arm = image(&store, "arm", "archive", json!({ "architecture": "arm64", "variant": "v8" }));
    let twin = image(&store, "twin", "archive", json!({ "architecture": "arm64" }));
    let amd_and_arm = merged(&store, &[&app, &arm]);
    // A choice by platform is one.
    on_top(&store, &amd_and_arm, json!({})).ok();
    on_top(&store, &amd_and_arm, json!({ "architecture": "arm64", "variant": "v8" })).ok();
    let all = store.folder().join("all.tar");
    merge(&store, &[&app, &arm, &tool, &twin], &[], "all.tar").1.ok();
    let alone = "expected one; use an archive or layout of that image alone";
    for (architecture, names) in [
        ("amd64", "app:1 for linux/amd64, me/tool:1 for linux/amd64"),
        ("arm64", "arm:1 for linux/arm64/v8, twin:1 for linux/arm64"),
    ] {
        let error = on_top(&store, &all, json!({ "architecture": architecture })).err();
        assert!(error.contains(&format!("all.tar: index.json: 2 images ({names}), {alone}")), "{error}");
    }
    for command in ["inspect", "export"] {
        let error = run(store.command().arg(command).arg(&all)).err();
        assert!(
            error.contains("4 images (app:1 for linux/amd64, ") && error.contains(alone),
            "{command}: {error}"
        );
    }

    // skopeo writes no platforms into a layout's index.
    let layout = store.folder().join("layout");
    let into = |from: &Path, name: &str| {
        skopeo_copy(&format!("oci-archive:{}", from.display()), &format!("oci:{}:{name}", layout.display()));
    };
    into(&app, "one");
    into(&app, "two");
    // One image of two names.
    on_top(&store, &layout, json!({})).ok();
    run(store.command().arg("inspect").arg(&layout)).ok();
    into(&tool, "three");
    let error = on_top(&store, &layout, json!({})).err();
    assert!(error.contains(&format!("index.json: 2 images (one, three), {alone}")), "{error}");
}

#[test]
fn podman_loads_every_image() {
    let store = Store::new();
    let images = [
        image(&store, "app", "archive", json!({})),
        image(&store, "db", "layout", json!({ "compression": "gzip" })),
        image(&store, "quay.io/me/tool", "archive", json!({ "compression": "gzip" })),
    ];
    let paths: Vec<&Path> = images.iter().map(PathBuf::as_path).collect();
    // Of several images, podman completes names in its own way.
    let expected = ["localhost/app:1", "localhost/db:1", "quay.io/me/tool:1"];
    assert_eq!(podman_load(&merged(&store, &paths)), expected);
    for compressor in ["gz", "zstd"] {
        let (out, ran) = merge(&store, &paths, &["--compressor", compressor], compressor);
        ran.ok();
        let decompress = if compressor == "gz" { "gzip -dc" } else { "zstd -qdc" };
        let plain = fs::read(store.folder().join("merged.tar")).expect("an archive");
        assert!(through(decompress, &fs::read(&out).expect("an archive")) == plain);
        // (Debian 12's skopeo and podman read no docker-archive that is gzip's, whoever compressed it.)
        if compressor == "zstd" {
            assert_eq!(podman_load(&out), expected);
        }
    }
}

#[test]
fn what_images_share_is_there_once() {
    let store = Store::new();
    let arguments = json!({ "compression": "gzip" });
    let app = image(&store, "app", "archive", arguments.clone());
    let db = image(&store, "db", "layout", arguments);
    let merged = merged(&store, &[&app, &db]);
    // Shared, two of their own, an empty root; a configuration and a manifest each.
    let blobs =
        members(&merged).into_iter().filter(|name| name.starts_with("blobs/sha256/s") || name.len() == 77);
    assert_eq!(blobs.count(), 4 + 4);
    // Of docker-archives that say no digests, too.
    let made = MadeImages::new();
    let layers = [MadeLayer::file("etc/a", "a"), MadeLayer::file("etc/b", "b")];
    for (name, layers) in [("a:1", &layers[..]), ("b:1", &layers[1..])] {
        made.tag(name, made.image("linux/amd64", layers, json!({})));
    }
    let archives: Vec<PathBuf> = ["a", "b"].map(|name| docker_archive(&store, &made, name)).to_vec();
    let (out, ran) = merge(&store, &[&archives[0], &archives[1]], &[], "of-docker");
    ran.ok();
    let digests: Vec<String> = layers.iter().map(MadeLayer::digest).collect();
    let held = members(&out);
    for digest in &digests {
        assert!(held.contains(&digest.replace("sha256:", "blobs/sha256/")), "{held:?}");
    }
    assert_eq!(held.iter().filter(|name| name.len() == 77).count(), 2 + 4);
}

/// A docker-archive by hand, with gzip layers, of the image `NAME:1`.
fn docker_archive(store: &Store, made: &MadeImages, name: &str) -> PathBuf {
    let index = json(&fs::read_to_string(made.folder.join("index.json")).expect("a file"));
    let full = format!("{name}:1");
    let entry = index["manifests"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == full)
        .expect("the image");
    let manifest = json(&String::from_utf8(made.read(&support::digest_of(entry))).expect("UTF-8"));
    let folder = store.folder().join(format!("docker-{name}"));
    fs::create_dir(&folder).expect("a directory");
    fs::write(folder.join("config.json"), made.read(&support::digest_of(&manifest["config"])))
        .expect("a file");
    let mut layers = Vec::new();
    for (i, layer) in manifest["layers"].as_array().expect("a list").iter().enumerate() {
        layers.push(format!("{i}.tar"));
        fs::write(folder.join(&layers[i]), made.read(&support::digest_of(layer))).expect("a file");
    }
    let docker =
        json!([{ "Config": "config.json", "RepoTags": [full, format!("{name}:latest")], "Layers": layers }]);
    fs::write(folder.join("manifest.json"), docker.to_string()).expect("a file");
    let members: Vec<String> =
        layers.into_iter().chain(["config.json".to_string(), "manifest.json".to_string()]).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    store.folder().write(&format!("docker-{name}.tar"), support::tar_of(&folder, &members))
}

#[test]
fn the_same_image_is_kept_once_with_all_its_names() {
    let store = Store::new();
    let app = image(&store, "app", "archive", json!({}));
    let layout = image(&store, "app", "layout", json!({}));
    let other = image(&store, "app", "archive", json!({ "tag": "other" }));
    let once = merged(&store, &[&app, &layout, &app, &other]);
    let docker = json(&String::from_utf8(member(&once, "manifest.json")).expect("UTF-8"));
    assert_eq!(docker.as_array().map(Vec::len), Some(1));
    assert_eq!(docker[0]["RepoTags"], json!(["app:1", "app:other"]));
    assert_eq!(found(&once, "app:other").digest, look(&app).digest);
    // What was merged can be merged.
    let db = image(&store, "db", "archive", json!({}));
    let (twice, ran) = merge(&store, &[&once, &db, &once], &[], "twice");
    ran.ok();
    let loaded = podman_load(&twice).join(",");
    for name in ["localhost/app:1", "localhost/app:other", "localhost/db:1"] {
        assert!(loaded.contains(name), "{loaded}");
    }
}

#[test]
fn names_that_are_no_tags_stay_in_the_index() {
    let store = Store::new();
    let made = MadeImages::new();
    let history = json!({ "history": [{ "created_by": "hand" }] });
    made.tag("stable", made.image("linux/amd64", &[MadeLayer::file("etc/a", "a")], history));
    let app = image(&store, "app", "archive", json!({}));
    let merged = merged(&store, &[made.folder.path(), &app]);
    let docker = json(&String::from_utf8(member(&merged, "manifest.json")).expect("UTF-8"));
    assert_eq!(docker[0]["RepoTags"], Value::Null);
    assert_eq!(found(&merged, "stable").layers.len(), 1);
    assert_eq!(found(&merged, "app:1").digest, look(&app).digest);
}

#[test]
fn two_images_of_one_name_are_refused() {
    let store = Store::new();
    let app = image(&store, "app", "archive", json!({}));
    let other = image(&store, "docker.io/library/app", "layout", json!({ "mtime": 5 }));
    let (out, ran) = merge(&store, &[&app, &other], &[], "refused");
    let error = ran.err();
    let expected = format!("app:1 is an image in {} and another one in {}", app.display(), other.display());
    assert!(error.contains(&expected), "{error}");
    assert!(!out.exists());
}

#[test]
fn what_is_no_image_is_named() {
    let store = Store::new();
    let app = image(&store, "app", "layout", json!({}));
    let text = store.folder().write("text", "no image");
    let error = merge(&store, &[&app, &text], &[], "refused").1.err();
    assert!(error.contains(text.to_str().expect("UTF-8")), "{error}");
    assert_eq!(merge(&store, &[], &[], "none").1.code, Some(2));
    // An image whose layer is not what its manifest says.
    let db = image(&store, "db", "layout", json!({}));
    let layer = look(&db).layers[0].digest[7..].to_string();
    let blob = db.join("blobs/sha256").join(layer);
    let size = fs::metadata(&blob).expect("a blob").len();
    fs::write(&blob, vec![0; usize::try_from(size).expect("small")]).expect("a file");
    let (out, ran) = merge(&store, &[&db], &[], "refused");
    assert!(ran.err().contains("it was changed"));
    assert!(!out.exists());
}

#[test]
fn the_builder_does_the_same() {
    let store = Store::new();
    let (app, db) = (image(&store, "app", "archive", json!({})), image(&store, "db", "layout", json!({})));
    let merged = fs::read(merged(&store, &[&app, &db])).expect("an archive");
    for (compressor, decompress) in [("none", "cat"), ("zstd", "zstd -qdc")] {
        let attributes =
            json!({ "gantry": { "kind": "merge", "images": [app, db], "compressor": compressor } });
        let out = store.folder().join(compressor);
        run(&mut store.build(&attributes, &out)).ok();
        assert!(through(decompress, &fs::read(out).expect("an archive")) == merged, "{compressor}");
    }
}
