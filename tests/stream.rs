//! `format = "stream"`: an executable that writes the archive, and what it does when it cannot.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{MadeImages, MadeLayer, Ran, Store, gantry, json, look, podman_load, run};

/// Store paths with enough in them for several chunks.
fn paths(store: &Store) -> Vec<PathBuf> {
    let names = ["large", "small", "long"];
    if !store.path("large").exists() {
        let large: String = (0..400_000).map(|i| format!("{i} ")).collect();
        let long = format!("{}file", "deep/".repeat(30));
        store.add("large", &[("data", &large)]);
        store.add("small", &[("bin/run", "#!/bin/sh"), ("link", "-> bin/run"), ("empty", "")]);
        store.add("long", &[(&long, "far down")]);
    }
    names.map(|name| store.path(name)).to_vec()
}

#[track_caller]
fn build(store: &Store, format: &str, arguments: &Value) -> PathBuf {
    let (paths, count) = (paths(store), fs::read_dir(store.folder().path()).expect("a folder").count());
    let out = store.folder().join(format!("{format}-{count}"));
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let attributes = store.image(format, &store.empty_root(), &paths, arguments.clone());
    run(&mut store.build(&attributes, &out)).ok();
    out
}

/// What the executable writes, as a file.
#[track_caller]
fn written(store: &Store, stream: &Path, arguments: &[&str]) -> PathBuf {
    let out = store.folder().join(format!("{}.tar", stream.file_name().expect("a name").display()));
    // Through a pipe, which has no places to write to.
    let script = r#"set -o pipefail; out=$0; "$@" | cat > "$out""#;
    run(Command::new("bash").args(["-c", script]).arg(&out).arg(stream).args(arguments)).ok();
    out
}

/// What the executable says, with its output thrown away.
fn said(stream: &Path, arguments: &[&str]) -> Ran {
    run(Command::new("bash")
        .args(["-c", r#""$0" "$@" | cat >/dev/null; exit ${PIPESTATUS[0]}"#])
        .arg(stream)
        .args(arguments))
}

fn explicit_layer(store: &Store, compression: &str) -> PathBuf {
    let path = store.add("explicit", &[("file", "in a layer of its own")]);
    let out = store.path("layer");
    let attributes = json!({
        "gantry": { "kind": "layer", "arguments": { "paths": [path], "compression": compression } },
        "closure": [{ "path": path, "narSize": 1, "references": [] }],
    });
    run(&mut store.build(&attributes, &out)).ok();
    out
}

#[test]
fn it_writes_the_bytes_of_the_archive() {
    let store = Store::new();
    let made = MadeImages::new();
    let layers = [MadeLayer::file("etc/a", "a"), MadeLayer::zstd(&support::tar(&[("etc/b", b"b")]))];
    // A layer twice is one blob.
    let twice = [&layers[..], &layers[..1]].concat();
    made.tag("1", made.image("linux/amd64", &twice, json!({})));
    let base = made.folder.path();
    let explicit = explicit_layer(&store, "gzip");
    for arguments in [
        json!({}),
        json!({ "maxLayers": 1 }),
        json!({ "mtime": 7, "uid": 5, "created": 1_000_000_000 }),
        json!({ "compression": "gzip" }),
        json!({ "compression": "zstd", "compressionLevel": 1, "maxLayers": 2 }),
        json!({ "fromImage": base, "layers": [explicit] }),
        json!({ "fromImage": base, "layers": [explicit], "compression": "gzip", "config": null }),
    ] {
        let mut arguments = arguments;
        arguments.as_object_mut().expect("a set").remove("config");
        let archive = build(&store, "archive", &arguments);
        let stream = build(&store, "stream", &arguments);
        let from_stream = fs::read(written(&store, &stream, &[])).expect("an archive");
        assert!(from_stream == fs::read(archive).expect("an archive"), "{arguments}");
        for cores in ["1", "3"] {
            let again = fs::read(written(&store, &stream, &["--cores", cores])).expect("an archive");
            assert!(again == from_stream, "{arguments} {cores}");
        }
    }
}

#[test]
fn it_is_one_executable_that_holds_no_layer() {
    let store = Store::new();
    let stream = build(&store, "stream", &json!({}));
    assert_eq!(fs::metadata(&stream).expect("a file").permissions().mode() & 0o7777, 0o755);
    let text = fs::read_to_string(&stream).expect("UTF-8");
    let lines: Vec<&str> = text.lines().collect();
    let gantry = gantry().canonicalize().expect("a path");
    assert_eq!(lines[0], format!("#!{} stream", gantry.display()));
    assert_eq!(lines[1], format!("exec '{}' stream \"$0\" \"$@\"", gantry.display()));
    assert_eq!(lines.len(), 3);
    // Nix finds in it what it needs at run time.
    for path in paths(&store) {
        assert!(json(lines[2])["planned"].to_string().contains(path.to_str().expect("UTF-8")));
    }
    assert!(text.len() < 4096, "{}", text.len());
}

#[test]
fn shells_run_it_as_the_kernel_does() {
    let store = Store::new();
    let stream = build(&store, "stream", &json!({}));
    let with_arguments = ["-t", "a b:1", "--cores", "1"];
    let named = ["--repo_tag", "named:by-argument"];
    let direct =
        [&[][..], &named].map(|arguments| fs::read(written(&store, &stream, arguments)).expect("it"));
    assert!(direct[0] != direct[1]);
    let refused = said(&stream, &with_arguments);
    let folder = stream.parent().expect("a folder");
    for shell in [&["bash"][..], &["dash"], &["busybox", "sh"], &["bash", "--posix", "-eu"]] {
        for (arguments, expected) in [&[][..], &named].into_iter().zip(&direct) {
            for file in [stream.clone(), Path::new(".").join(stream.file_name().expect("a name"))] {
                let mut command = Command::new(shell[0]);
                command.args(&shell[1..]).arg(&file).args(arguments).current_dir(folder);
                let output =
                    command.stderr(Stdio::inherit()).output().expect("a shell; tests/setup installs it");
                assert!(
                    output.status.success() && output.stdout == *expected,
                    "{shell:?} {file:?} {arguments:?}"
                );
            }
        }
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg(&stream).args(with_arguments);
        let ran = run(&mut command);
        assert_eq!((ran.code, &ran.stderr), (refused.code, &refused.stderr), "{shell:?}");
    }
    // One that an earlier version has made has no line for shells.
    let text = fs::read_to_string(&stream).expect("UTF-8");
    let lines: Vec<&str> = text.lines().collect();
    let earlier = store.folder().write("earlier", format!("{}\n{}\n", lines[0], lines[2]));
    fs::set_permissions(&earlier, Permissions::from_mode(0o755)).expect("a mode");
    assert!(fs::read(written(&store, &earlier, &[])).expect("an archive") == direct[0]);
}

#[test]
fn skopeo_and_podman_take_it_from_a_pipe() {
    let store = Store::new();
    for compression in ["none", "gzip"] {
        let stream = build(&store, "stream", &json!({ "compression": compression }));
        let copy = store.folder().join(format!("copy-{compression}"));
        // An archive that is not compressed, skopeo opens twice (containers/image#1317); gzip would do as well,
        // were it not for skopeo 1.9, which reads no docker-archive that is gzip's.
        let script = r#"set -o pipefail
            "$0" | zstd -q | skopeo copy -q --insecure-policy docker-archive:/dev/stdin "oci:$1:1""#;
        run(Command::new("bash").args(["-c", script]).arg(&stream).arg(&copy)).ok();
        let original = look(&written(&store, &stream, &[]));
        assert_eq!(look(&copy).config, original.config);
        assert_eq!(podman_load(&stream), ["docker.io/library/test:1"]);
    }
}

#[test]
fn name_and_times_are_those_of_the_run() {
    let store = Store::new();
    let stream = build(&store, "stream", &json!({ "created": "now", "mtime": "now" }));
    let first = look(&written(&store, &stream, &[]));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let second = look(&written(&store, &stream, &["--repo_tag", "registry.example/me/app:v2"]));
    assert_ne!(first.config["created"], second.config["created"]);
    assert_eq!(first.diff_ids(), second.diff_ids());
    assert_eq!(first.docker.expect("a manifest")[0]["RepoTags"], json!(["test:1"]));
    assert_eq!(second.docker.expect("a manifest")[0]["RepoTags"], json!(["registry.example/me/app:v2"]));
    let names = &second.index["manifests"][0]["annotations"];
    assert_eq!(names["io.containerd.image.name"], "registry.example/me/app:v2");
    assert_eq!(podman_load(&stream), ["docker.io/library/test:1"]);

    for (wrong, message) in [
        ("app", "\"app\" is no NAME:TAG"),
        ("localhost:5000/app", "is no NAME:TAG"),
        ("a b:1", "name: "),
        ("app:-", "tag: found \"-\""),
    ] {
        let error = said(&stream, &["-t", wrong]).err();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_store_that_has_changed_is_an_error() {
    for (compression, what) in
        [("none", "content"), ("gzip", "content"), ("none", "size"), ("none", "missing")]
    {
        let store = Store::new();
        let stream = build(&store, "stream", &json!({ "compression": compression }));
        let file = paths(&store)[1].join("bin/run");
        fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("a mode");
        match what {
            "content" => fs::write(&file, "#!/bin/zz").expect("a file"),
            "size" => fs::write(&file, "longer than it was, by more than what fits in a block ".repeat(20))
                .expect("a file"),
            _ => fs::remove_file(&file).expect("a file"),
        }
        fs::set_permissions(paths(&store)[1].join("bin/run"), Permissions::from_mode(0o555)).ok();
        let ran = said(&stream, &[]);
        assert_eq!(ran.code, Some(1), "{compression} {what}");
        let error = ran.err();
        let name = paths(&store)[1].display().to_string();
        assert!(error.contains(&name) || what == "missing", "{error}");
        assert!(error.contains("change"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    // So do explicit layers, which are not read while building.
    let store = Store::new();
    let explicit = explicit_layer(&store, "none");
    let size = fs::metadata(explicit.join("blob")).expect("a blob").len();
    fs::write(explicit.join("blob"), vec![0; usize::try_from(size).expect("small")]).expect("a file");
    let stream = build(&store, "stream", &json!({ "layers": [explicit] }));
    let error = said(&stream, &[]).err();
    assert!(error.contains(store.path("explicit").to_str().expect("UTF-8")), "{error}");
    // The configuration counts as well.
    let store = Store::new();
    let stream = build(&store, "stream", &json!({}));
    let root = store.empty_root().join("root.json");
    let changed =
        fs::read_to_string(&root).expect("a file").replace("\"config\":{}", "\"config\":{\"Cmd\":[\"x\"]}");
    fs::write(&root, changed).expect("a file");
    assert!(said(&stream, &[]).err().contains("the image's configuration is"));
}

#[test]
fn what_cannot_be_streamed_is_refused() {
    let store = Store::new();
    let stream = build(&store, "stream", &json!({}));
    // A terminal, of util-linux's script(1).
    let terminal = run(Command::new("script").args(["-qec", stream.to_str().expect("UTF-8"), "/dev/null"]));
    assert_eq!(terminal.code, Some(1));
    assert!(terminal.stdout.contains("standard output is a terminal"), "{}", terminal.stdout);
    // A reader that has gone.
    let gone = run(Command::new("bash")
        .args(["-c", r#""$0" | head -c 600 >/dev/null; exit ${PIPESTATUS[0]}"#])
        .arg(&stream));
    assert_eq!((gone.code, gone.stderr.lines().count()), (Some(1), 1), "{}", gone.stderr);
    assert!(gone.stderr.contains("standard output: Broken pipe"), "{}", gone.stderr);

    let text = fs::read_to_string(&stream).expect("UTF-8");
    for (other, message) in [
        (text.replace("\"version\":1", "\"version\":2"), "a recipe of version 2, expected 1"),
        (text.replace("\"mtime\"", "\"time\""), "made by another version of gantry"),
        (text[..text.len() / 2].to_string(), "made by another version of gantry"),
        ("#!/bin/sh\n".to_string(), "it is no image of format = \"stream\""),
    ] {
        let file = store.folder().write("other", other);
        let error = run(store.command().arg("stream").arg(&file).stdin(Stdio::null())).err();
        assert!(error.contains(message), "{error}");
    }
    let attributes = json!({ "gantry": {
        "kind": "index", "format": "stream", "arguments": { "name": "a", "tag": "1", "manifests": [stream] } } });
    let error = run(&mut store.build(&attributes, &store.folder().join("index"))).err();
    assert!(error.contains("format = \"stream\" is for one image"), "{error}");
}

#[test]
fn an_executable_whose_first_line_would_be_too_long_is_refused() {
    let store = Store::new();
    let far = store.folder().join("x".repeat(200)).join("y".repeat(60));
    fs::create_dir_all(&far).expect("a directory");
    fs::copy(gantry(), far.join("gantry")).expect("a copy");
    let attributes = store.image("stream", &store.empty_root(), &[], json!({}));
    let file = store.folder().write("attrs.json", attributes.to_string());
    let out = store.folder().join("stream");
    let mut command = Command::new(far.join("gantry"));
    let error = run(command.arg("build").arg("--attrs").arg(file).arg("--out").arg(&out)).err();
    assert!(error.contains("more than 255 bytes"), "{error}");
    assert!(!out.exists());
}
