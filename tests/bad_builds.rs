//! Bad input to `gantry build` and `gantry inspect`: exit code 1, one line that names what is wrong, and
//! nothing left behind; and the memory that a build may take.

mod support;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use gantry::digest::Digest;
use serde_json::{Value, json};
use support::{Folder, Ran, Random, Store, from_bytes, gantry, listing, output, run};

/// The one line that a failed command says.
#[track_caller]
fn one_error(ran: Ran) -> String {
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    let error = ran.err();
    assert_eq!(error.lines().count(), 1, "one line: {error}");
    assert!(error.starts_with("error: "), "{error}");
    error
}

/// The error of a command that must leave `folder` as it was.
#[track_caller]
fn refused(folder: &Path, command: &mut Command) -> String {
    let before = listing(folder);
    let error = one_error(run(command));
    assert_eq!(listing(folder), before, "{error}");
    error
}

#[track_caller]
fn assert_names(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "{part} is not in {error}");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The error of building `attributes`, which must leave nothing.
#[track_caller]
fn build_refused(store: &Store, attributes: &Value) -> String {
    let mut command = store.build(attributes, &store.folder().join("out"));
    refused(store.folder().path(), &mut command)
}

// Attributes

#[test]
fn attributes_that_are_missing_or_no_json_are_named() {
    let store = Store::new();
    let folder = store.folder();
    let out = folder.join("out");
    for (name, bytes, says) in [
        ("empty", &b""[..], "EOF"),
        ("text", b"hello", "expected"),
        ("cut", b"{\"gantry\": {", "EOF"),
        ("list", b"[]", "expected"),
        ("none", b"{}", "gantry"),
        ("binary", b"\xff\xfe", "expected"),
        ("trailing", b"{\"gantry\":{\"kind\":\"root\",\"arguments\":{}}} x", "trailing"),
        ("closure", b"{\"gantry\":{\"kind\":\"root\",\"arguments\":{}},\"closure\":5}", "closure"),
    ] {
        let attrs = folder.write(name, bytes);
        let mut command = store.command();
        let error =
            refused(folder.path(), command.args(["build", "--attrs"]).arg(&attrs).arg("--out").arg(&out));
        match name {
            "closure" => assert_names(&error, &[text(&attrs)]),
            _ => assert_names(&error, &[text(&attrs), says]),
        }
    }
    for (attrs, says) in [("missing", "No such file"), ("store", "directory"), ("text/x", "Not a directory")]
    {
        let attrs = folder.join(attrs);
        let mut command = store.command();
        let error =
            refused(folder.path(), command.args(["build", "--attrs"]).arg(&attrs).arg("--out").arg(&out));
        assert_names(&error, &[text(&attrs), says]);
    }
    let error = refused(folder.path(), store.command().args(["build", "--out"]).arg(&out));
    assert_names(&error, &["--attrs"]);
    // Deeply nested: no stack is lost.
    let deep = folder.write("deep", "[".repeat(100_000));
    let mut command = store.command();
    refused(folder.path(), command.args(["build", "--attrs"]).arg(deep).arg("--out").arg(&out));
}

#[test]
fn what_to_make_is_one_of_few_things() {
    let store = Store::new();
    let root = store.empty_root();
    let image = |key: &str, value: Value| {
        let mut attributes = store.image("archive", &root, &[], json!({}));
        attributes["gantry"][key] = value;
        attributes
    };
    for (attributes, says) in [
        (image("kind", json!("picture")), vec!["picture", "root", "image"]),
        (image("kind", Value::Null), vec![]),
        (image("format", json!("zip")), vec!["zip", "archive", "layout"]),
        (image("formt", json!("archive")), vec!["formt"]),
        (
            image("arguments", json!({ "name": "A B", "tag": "1", "architecture": "arm" })),
            vec!["name", "A B"],
        ),
        (
            image("arguments", json!({ "name": "a", "tag": "1", "architecture": "arm", "uid": -1 })),
            vec!["uid"],
        ),
        (image("arguments", json!([])), vec!["set"]),
        (
            json!({ "gantry": { "kind": "root", "arguments": { "contentz": [] } } }),
            vec!["contentz", "contents"],
        ),
        (json!({ "gantry": { "kind": "root" } }), vec!["arguments"]),
    ] {
        let error = build_refused(&store, &attributes);
        assert_names(&error, &says);
    }
    // Without --out, the derivation says where to.
    let attributes = image("format", json!("archive"));
    let attrs = store.folder().write("attrs.json", attributes.to_string());
    let error = refused(store.folder().path(), store.command().args(["build", "--attrs"]).arg(attrs));
    assert_names(&error, &["outputs.out", "--out"]);
}

// Where to write

/// Attributes of a small archive, layout and root layer.
fn small(store: &Store) -> [(&'static str, Value); 3] {
    let root = store.empty_root();
    let path = store.add("small", &[("x", "text")]);
    [
        ("archive", store.image("archive", &root, &[&path], json!({}))),
        ("layout", store.image("layout", &root, &[&path], json!({}))),
        ("root", json!({ "gantry": { "kind": "root", "arguments": { "copyToRoot": [{ "path": path }] } } })),
    ]
}

#[test]
fn an_output_that_exists_is_left_alone() {
    let store = Store::new();
    for (what, attributes) in small(&store) {
        let folder = store.folder();
        let file = folder.write(&format!("{what}-file"), "mine");
        let empty = folder.write(&format!("{what}-empty"), "");
        let directory = folder.join(format!("{what}-directory"));
        fs::create_dir(&directory).expect("a directory");
        let dangling = folder.join(format!("{what}-dangling"));
        symlink("nowhere", &dangling).expect("a link");
        for out in [&file, &empty, &directory, &dangling] {
            let error = refused(folder.path(), &mut store.build(&attributes, out));
            assert_names(&error, &[text(out), "exists"]);
            // Also where Nix would have it written.
            let mut direct = attributes.clone();
            direct["outputs"] = json!({ "out": out });
            let attrs = folder.write("direct.json", direct.to_string());
            let error = refused(folder.path(), store.command().args(["build", "--attrs"]).arg(attrs));
            assert_names(&error, &[text(out), "exists"]);
        }
        assert_eq!(fs::read(file).expect("a file"), b"mine");
    }
}

#[test]
fn an_output_without_a_folder_to_lie_in_is_refused() {
    let store = Store::new();
    let file = store.folder().write("file", "");
    for (_, attributes) in small(&store) {
        for out in [store.folder().join("missing/out"), file.join("out")] {
            let error = refused(store.folder().path(), &mut store.build(&attributes, &out));
            assert_names(&error, &[text(&out)]);
        }
    }
}

#[test]
fn a_folder_that_may_not_be_written_is_refused() {
    let store = Store::new();
    fs::set_permissions(store.folder().path(), Permissions::from_mode(0o755)).expect("a mode");
    for (_, attributes) in small(&store) {
        let out = store.folder().join("out");
        let build = store.build(&attributes, &out);
        let mut nobody = Command::new("setpriv");
        nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
        nobody.arg(build.get_program()).args(build.get_args()).env("NIX_STORE", store.directory());
        let error = refused(store.folder().path(), &mut nobody);
        assert_names(&error, &[text(&out), "Permission denied"]);
    }
}

#[test]
fn a_full_disk_is_an_error_and_nothing_is_left_on_it() {
    let store = Store::new();
    let root = store.empty_root();
    let path = store.add("big", &[]);
    fs::write(path.join("noise"), Random(1).bytes(3 << 20)).expect("a file");
    let mut all: Vec<Value> = ["archive", "layout"]
        .iter()
        .flat_map(|format| ["none", "gzip", "zstd"].map(|compression| (format, compression)))
        .map(|(format, compression)| {
            store.image(format, &root, &[&path], json!({ "compression": compression }))
        })
        .collect();
    all.push(json!({ "gantry": { "kind": "root", "arguments": { "copyToRoot": [{ "path": path }] } } }));
    for attributes in all {
        // The temporary of an archive may have its full length from the beginning, or not.
        for size in ["8k", "1m", "2m"] {
            let small = store.folder().join("small");
            let _ = fs::create_dir(&small);
            let build = store.build(&attributes, &small.join("out"));
            let script = r#"mount -t tmpfs -o size=$1 none "$0"; shift; code=0; "$@" || code=$?; ls -A "$0"; exit $code"#;
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-uc", script]).arg(&small).arg(size);
            command.arg(build.get_program()).args(build.get_args()).env("NIX_STORE", store.directory());
            let error = one_error(run(&mut command));
            assert_names(&error, &[text(&small), "No space left"]);
        }
    }
}

// Store paths

#[test]
fn what_no_layer_holds_is_named() {
    let store = Store::new();
    let root = store.empty_root();
    let make = |name: &str, below: &str| store.add(name, &[("d/ok", "")]).join(below);
    let fifo = make("fifo", "d/fifo");
    output("mkfifo", &[text(&fifo)]);
    let socket = make("socket", "d/socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let character = make("character", "d/null");
    output("mknod", &[text(&character), "c", "1", "3"]);
    let block = make("block", "d/loop");
    output("mknod", &[text(&block), "b", "7", "0"]);
    let whiteout = make("whiteout", "d/.wh.x");
    File::create(&whiteout).expect("a file");
    let opaque = make("opaque", "d/.wh..wh..opq");
    File::create(&opaque).expect("a file");
    let directory = make("directory", "d/.wh.d");
    fs::create_dir(&directory).expect("a directory");
    for (path, says) in [
        (&fifo, "FIFO"),
        (&socket, "socket"),
        (&character, "character device"),
        (&block, "block device"),
        (&whiteout, "delete files"),
        (&opaque, "delete files"),
        (&directory, "delete files"),
    ] {
        let top = path.parent().and_then(Path::parent).expect("a store path");
        for format in ["archive", "layout"] {
            let error = build_refused(&store, &store.image(format, &root, &[top], json!({})));
            assert_names(&error, &[text(path), says]);
        }
    }
    // The whole store path.
    let fifo = store.path("whole-fifo");
    output("mkfifo", &[text(&fifo)]);
    let error = build_refused(&store, &store.image("archive", &root, &[&fifo], json!({})));
    assert_names(&error, &[text(&fifo), "FIFO"]);
}

#[test]
fn an_error_is_one_line_whatever_the_file_is_called() {
    let store = Store::new();
    let top = store.add("odd", &[]);
    let fifo = top.join(from_bytes(b"new\nline \x1b[2J \xff"));
    run(Command::new("mkfifo").arg(&fifo)).ok();
    let error = build_refused(&store, &store.image("archive", &store.empty_root(), &[&top], json!({})));
    assert_names(&error, &[text(&top), "FIFO"]);
    assert!(!error.contains('\x1b'), "{error:?}");
}

#[test]
fn a_closure_that_is_none_is_refused() {
    let store = Store::new();
    let root = store.empty_root();
    let one = store.add("one", &[("x", "")]);
    let two = store.add("two", &[("x", "")]);
    let missing = store.path("missing");
    let error = build_refused(&store, &store.image("archive", &root, &[&one, &missing], json!({})));
    assert_names(&error, &[text(&missing), "No such file"]);

    let info =
        |path: &Path, references: &[&Path]| json!({ "path": path, "narSize": 1, "references": references });
    let mut attributes = store.image("archive", &root, &[], json!({}));
    attributes["closure"] = json!([info(&one, &[&two])]);
    let error = build_refused(&store, &attributes);
    assert_names(&error, &[text(&one), text(&two), "not in the closure"]);
    attributes["closure"] = json!([info(&one, &[&two]), info(&two, &[&one])]);
    let error = build_refused(&store, &attributes);
    assert_names(&error, &["lead back"]);
    assert!(error.contains(text(&one)) || error.contains(text(&two)), "{error}");
    for wrong in [json!([{ "path": one }]), json!([{ "path": one, "narSize": -1, "references": [] }])] {
        attributes["closure"] = wrong;
        build_refused(&store, &attributes);
    }
    // A path that needs itself is usual.
    attributes["closure"] = json!([info(&one, &[&one])]);
    run(&mut store.build(&attributes, &store.folder().join("out"))).ok();
}

#[test]
fn a_pipeline_with_more_layers_than_there_is_room_for_is_refused() {
    let store = Store::new();
    let paths: Vec<PathBuf> = (0..4).map(|i| store.add(&format!("path{i}"), &[("x", "")])).collect();
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let arguments = json!({ "layering": [["popularity_contest"]], "maxLayers": 3 });
    let error = build_refused(&store, &store.image("archive", &store.empty_root(), &paths, arguments));
    assert_names(&error, &["4 layers", "room for 2", "limit_layers"]);
    assert_eq!(error.matches("layering:").count(), 1, "said once: {error}");
}

// The root layer

/// Changes `root.json`.
fn with_root_json(root: &Path, change: impl FnOnce(&mut Value)) {
    let path = root.join("root.json");
    let mut recorded = support::json(&fs::read_to_string(&path).expect("root.json"));
    change(&mut recorded);
    fs::write(path, recorded.to_string()).expect("root.json");
}

#[test]
fn a_root_layer_of_another_version_is_refused() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 6] = [
        ("version", |recorded| recorded["version"] = json!(2)),
        ("sizes", |recorded| recorded["layer"]["sizes"] = json!(2)),
        ("config", |recorded| drop(recorded.as_object_mut().map(|map| map.remove("config")))),
        ("-1", |recorded| recorded["layer"]["size"] = json!(-1)),
        ("digest", |recorded| recorded["layer"]["digest"] = json!("sha256:../../x")),
        ("", |recorded| *recorded = json!([])),
    ];
    for (says, change) in changes {
        let store = Store::new();
        let root = store.empty_root();
        with_root_json(&root, change);
        let error = build_refused(&store, &store.image("archive", &root, &[], json!({})));
        assert_names(&error, &[text(&root.join("root.json")), says, "another version"]);
    }
    let store = Store::new();
    let root = store.empty_root();
    for file in ["layer.tar", "root.json"] {
        fs::remove_file(root.join(file)).expect("a file");
        let error = build_refused(&store, &store.image("archive", &root, &[], json!({})));
        assert_names(&error, &[text(&root.join(file)), "No such file"]);
    }
}

/// A store whose root layer was changed after it was made, and its `layer.tar`.
fn tampered() -> (Store, PathBuf, PathBuf) {
    let store = Store::new();
    let copied = store.add("copied", &[("etc/file", "what was checked")]);
    let path = store.add("path", &[("x", "")]);
    store.root(json!({ "copyToRoot": [{ "path": copied }] }), "root").ok();
    let root = store.folder().join("root");
    let tar = root.join("layer.tar");
    let bytes = fs::read(&tar).expect("layer.tar");
    let at = bytes.windows(8).position(|window| window == b"what was").expect("the file's text");
    let file = File::options().write(true).open(&tar).expect("layer.tar");
    file.write_all_at(b"evil", at as u64).expect("a write");
    (store, root, path)
}

#[test]
fn a_root_layer_that_was_changed_is_refused() {
    let (store, root, path) = tampered();
    for format in ["archive", "layout"] {
        for compression in ["none", "gzip", "zstd"] {
            let arguments = json!({ "compression": compression });
            let error = build_refused(&store, &store.image(format, &root, &[&path], arguments));
            assert_names(&error, &[text(&root.join("layer.tar")), "digest"]);
        }
    }
    let tar = File::options().write(true).open(root.join("layer.tar")).expect("layer.tar");
    tar.set_len(5000).expect("a shorter file");
    let error = build_refused(&store, &store.image("archive", &root, &[&path], json!({})));
    assert_names(&error, &[text(&root.join("layer.tar"))]);
}

#[test]
fn a_root_layer_that_was_changed_is_refused_in_an_image_of_one_layer_too() {
    // Its members are a part of that layer: "whoever writes them out again checks the recorded digest".
    let (store, root, path) = tampered();
    for compression in ["none", "gzip"] {
        let arguments = json!({ "maxLayers": 1, "compression": compression });
        let error = build_refused(&store, &store.image("archive", &root, &[&path], arguments));
        assert_names(&error, &[text(&root.join("layer.tar")), "digest"]);
    }
}

#[test]
fn a_configuration_that_no_client_reads_is_refused() {
    let store = Store::new();
    let config = |length: usize| json!({ "config": { "Labels": { "big": "x".repeat(length) } } });
    let attributes = json!({ "gantry": { "kind": "root", "arguments": config(5 << 20) } });
    assert_names(&build_refused(&store, &attributes), &["config", "4194304"]);
    // So long that only the image's own fields are too much.
    store.root(config((4 << 20) - 100), "root").ok();
    let root = store.folder().join("root");
    for format in ["archive", "layout"] {
        let error = build_refused(&store, &store.image(format, &root, &[], json!({})));
        assert_names(&error, &["configuration", "4194304"]);
        let arguments = json!({ "annotations": { "big": "x".repeat(5 << 20) } });
        let error = build_refused(&store, &store.image(format, &store.empty_root(), &[], arguments));
        assert_names(&error, &["manifest", "4194304", "annotations"]);
    }
}

// Signals

/// Starts a build, sends `signal` when it has written something, and returns how it ended.
fn interrupted(store: &Store, attributes: &Value, signal: &str) -> (Option<i32>, String) {
    let outputs = store.folder().join("outputs");
    fs::create_dir(&outputs).expect("a directory");
    let build = store.build(attributes, &outputs.join("out"));
    // No `timeout` around it: the signal is for the builder.
    let arguments: Vec<_> = build.get_args().skip_while(|argument| *argument != "build").collect();
    let mut child = Command::new(gantry())
        .args(arguments)
        .env("NIX_STORE", store.directory())
        .stderr(Stdio::piped())
        .spawn()
        .expect("gantry");
    let written = || -> u64 {
        let mut open = vec![outputs.clone()];
        let mut bytes = 0;
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => open.push(entry.path()),
                    Ok(metadata) => bytes += metadata.len(),
                    Err(_) => {}
                }
            }
        }
        bytes
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while written() < 100_000 && Instant::now() < deadline {
        assert!(child.try_wait().expect("a process").is_none(), "it ended before anything was written");
        std::thread::sleep(Duration::from_millis(5));
    }
    output("kill", &[signal, &child.id().to_string()]);
    let deadline = Instant::now() + Duration::from_secs(5);
    while child.try_wait().expect("a process").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("a process");
            child.wait().expect("an end");
            panic!("{signal} was ignored for five seconds");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let ended = child.wait_with_output().expect("an end");
    assert_eq!(listing(&outputs), Vec::<String>::new(), "nothing is left");
    fs::remove_dir(outputs).expect("a directory");
    (ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

/// A store path with a file that takes minutes to read.
fn endless(store: &Store) -> PathBuf {
    let path = store.add("endless", &[]);
    File::create(path.join("file")).and_then(|file| file.set_len(200 << 30)).expect("a sparse file");
    path
}

#[test]
fn a_signal_ends_an_image_with_130_and_leaves_nothing() {
    let store = Store::new();
    let (root, path) = (store.empty_root(), endless(&store));
    for (format, compression, signal) in [
        ("archive", "none", "-INT"),
        ("archive", "gzip", "-TERM"),
        ("archive", "zstd", "-HUP"),
        ("layout", "none", "-TERM"),
        ("layout", "zstd", "-INT"),
    ] {
        let attributes = store.image(format, &root, &[&path], json!({ "compression": compression }));
        let (code, stderr) = interrupted(&store, &attributes, signal);
        assert_eq!(
            (code, &stderr[..]),
            (Some(130), "error: interrupted\n"),
            "{format} {compression} {signal}"
        );
    }
}

#[test]
fn a_signal_ends_a_root_layer_with_130_and_leaves_nothing() {
    let store = Store::new();
    let path = endless(&store);
    let attributes =
        json!({ "gantry": { "kind": "root", "arguments": { "copyToRoot": [{ "path": path }] } } });
    for signal in ["-INT", "-TERM"] {
        let (code, stderr) = interrupted(&store, &attributes, signal);
        assert_eq!((code, &stderr[..]), (Some(130), "error: interrupted\n"), "{signal}");
    }
}

// Memory

#[test]
fn memory_does_not_grow_with_the_closure() {
    let store = Store::new();
    let root = store.empty_root();
    let mut paths: Vec<PathBuf> = (0..20).map(|i| store.add(&format!("many{i}"), &[])).collect();
    for path in &paths {
        for i in 0..1000 {
            fs::write(path.join(format!("file-{i}")), [b'x'; 300]).expect("a file");
        }
    }
    let sparse = store.add("sparse", &[]);
    File::create(sparse.join("file")).and_then(|file| file.set_len(2 << 30)).expect("a sparse file");
    paths.push(sparse);
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    for compression in ["none", "gzip", "zstd"] {
        let attributes = store.image("archive", &root, &paths, json!({ "compression": compression }));
        let megabytes = peak_memory(&store, &attributes, "2");
        assert!(megabytes < 64, "{compression}: {megabytes} MiB");
    }
}

#[test]
fn memory_does_not_grow_with_the_cores() {
    let store = Store::new();
    let root = store.empty_root();
    let sparse = store.add("sparse", &[]);
    File::create(sparse.join("file")).and_then(|file| file.set_len(300 << 20)).expect("a sparse file");
    for compression in ["none", "gzip", "zstd"] {
        let attributes = store.image("archive", &root, &[&sparse], json!({ "compression": compression }));
        let megabytes = peak_memory(&store, &attributes, "16");
        assert!(megabytes < 64, "{compression}, 16 cores: {megabytes} MiB");
    }
}

/// The most memory that a build had at once, in MiB. The output is removed.
fn peak_memory(store: &Store, attributes: &Value, cores: &str) -> u64 {
    let out = store.folder().join("out");
    let build = store.build(attributes, &out);
    let arguments: Vec<_> = build.get_args().skip_while(|argument| *argument != "build").collect();
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%M", "--"]).arg(gantry()).args(arguments).args(["--cores", cores]);
    let ran = run(timed.env("NIX_STORE", store.directory()));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    fs::remove_file(out).expect("the archive");
    ran.stderr.trim().parse::<u64>().expect("kibibytes") / 1024
}

// Reading images

/// A ustar header (pax(1)) with a right checksum.
fn header(name: &str, kind: u8, size: &[u8]) -> [u8; 512] {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    for (at, field) in
        [(100, &b"0000644\0"[..]), (108, b"0000000\0"), (116, b"0000000\0"), (136, b"00000000001\0")]
    {
        block[at..at + field.len()].copy_from_slice(field);
    }
    block[124..124 + size.len()].copy_from_slice(size);
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    sum(&mut block);
    block
}

/// Puts the right checksum into a header.
fn sum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn octal(size: usize) -> Vec<u8> {
    format!("{size:011o}\0").into_bytes()
}

/// A tar in the making.
#[derive(Clone, Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn raw(mut self, bytes: &[u8]) -> Tar {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn member(self, name: &str, kind: u8, data: &[u8]) -> Tar {
        self.raw(&header(name, kind, &octal(data.len()))).raw(data)
    }

    fn pax(self, records: &[(&str, &str)]) -> Tar {
        let mut body = String::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (rest + 1..).find(|n| n - n.to_string().len() == rest).expect("a length");
            body += &format!("{length} {key}={value}\n");
        }
        self.member("././@PaxHeader", b'x', body.as_bytes())
    }

    fn files(self, files: &[(String, Vec<u8>)]) -> Tar {
        files.iter().fold(self, |tar, (name, data)| tar.member(name, b'0', data))
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// The files of an image by name.
type Files = Vec<(String, Vec<u8>)>;
type Change<'c> = &'c dyn Fn(&mut Value);
const AS_IT_IS: Change = &|_| {};

/// The files of a good image layout with one empty layer, with changes to its documents; digests of
/// changed documents are right.
fn image(config: Change, manifest: Change, index: Change) -> Files {
    let blob = |bytes: &[u8]| (format!("blobs/sha256/{}", Digest::of(bytes).hex()), bytes.to_vec());
    let descriptor = |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len() });
    let layer = vec![0; 10240];
    let mut document = json!({
        "architecture": "amd64", "os": "linux", "config": { "Cmd": ["x"] },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer)] },
        "history": [{ "created": "1970-01-01T00:00:01Z" }],
    });
    config(&mut document);
    let config = document.to_string().into_bytes();
    let mut document = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    manifest(&mut document);
    let manifest = document.to_string().into_bytes();
    let mut document = json!({
        "schemaVersion": 2,
        "manifests": [descriptor("application/vnd.oci.image.manifest.v1+json", &manifest)],
    });
    index(&mut document);
    vec![
        ("oci-layout".to_string(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json".to_string(), document.to_string().into_bytes()),
        blob(&manifest),
        blob(&config),
        blob(&layer),
    ]
}

fn good() -> Files {
    image(AS_IT_IS, AS_IT_IS, AS_IT_IS)
}

/// Writes an image as a directory.
fn layout(folder: &Folder, name: &str, files: &[(String, Vec<u8>)]) -> PathBuf {
    for (file, bytes) in files {
        folder.write(&format!("{name}/{file}"), bytes);
    }
    folder.join(name)
}

fn inspect(path: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "10"]).arg(gantry()).args(["inspect", "--json"]).arg(path);
    command
}

/// The error of `gantry inspect`, which must name the image.
#[track_caller]
fn inspect_refused(path: &Path) -> String {
    let error = one_error(run(&mut inspect(path)));
    assert_names(&error, &[text(path)]);
    error
}

#[track_caller]
fn inspected(path: &Path) -> Value {
    support::json(&run(&mut inspect(path)).ok())
}

#[test]
fn good_images_are_read() {
    let folder = Folder::new();
    let files = good();
    let manifest = Digest::of(&files[2].1).to_string();
    let archive = folder.write("archive.tar", Tar::default().files(&files).end());
    let directory = layout(&folder, "layout", &files);
    for (path, format) in [(archive, "archive"), (directory, "layout")] {
        let shown = inspected(&path);
        assert_eq!(shown["digest"], manifest);
        assert_eq!(shown["format"], format);
        assert_eq!(shown["layers"].as_array().map(Vec::len), Some(1));
        assert_eq!(shown["config"], json!({ "Cmd": ["x"] }));
    }
    // As other tools make archives: `./` in front, in any order, directories and links in between, GNU's
    // and PAX's ways of saying a long name, no end, anything after the end.
    let mut reversed = good();
    reversed.reverse();
    let dotted: Files = good().into_iter().map(|(n, d)| (format!("./{n}"), d)).collect();
    let long = good().iter().fold(Tar::default(), |tar, (name, data)| {
        tar.member("././@LongLink", b'L', format!("{name}\0").as_bytes()).member("cut", b'0', data)
    });
    let pax = good().iter().fold(Tar::default(), |tar, (name, data)| {
        tar.pax(&[("mtime", "1.5"), ("path", name)]).member("cut", b'0', data)
    });
    let old = good().iter().fold(Tar::default(), |tar, (name, data)| tar.member(name, 0, data));
    for (what, bytes) in [
        ("reversed", Tar::default().files(&reversed).end()),
        ("dotted", Tar::default().member("./", b'5', b"").files(&dotted).end()),
        (
            "directories",
            Tar::default().member("blobs/", b'5', b"").member("ln", b'2', b"").files(&good()).end(),
        ),
        ("GNU", long.end()),
        ("PAX", pax.end()),
        ("old", old.end()),
        ("global", Tar::default().member("pax_global_header", b'g', b"13 comment=x\n").files(&good()).end()),
        ("no end", Tar::default().files(&good()).0),
        ("one block of end", Tar::default().files(&good()).raw(&[0; 512]).0),
        ("garbage after the end", [Tar::default().files(&good()).end(), Random(5).bytes(3000)].concat()),
    ] {
        let path = folder.write(what, bytes);
        assert_eq!(inspected(&path)["digest"], manifest, "{what}");
    }
}

#[test]
fn what_go_writes_for_nothing_is_read() {
    // Go's encoding/json writes null for a nil map, slice or pointer; old Docker images have such.
    let folder = Folder::new();
    for (i, (key, value)) in [
        ("config", json!(null)),
        ("history", json!(null)),
        ("created", json!(null)),
        ("author", json!(null)),
        ("variant", json!("v7")),
        ("container_config", json!({ "Cmd": null })),
    ]
    .into_iter()
    .enumerate()
    {
        let files = image(&|config| config[key] = value.clone(), AS_IT_IS, AS_IT_IS);
        inspected(&layout(&folder, &i.to_string(), &files));
    }
    let bare: Change =
        &|config| drop(config.as_object_mut().map(|map| (map.remove("config"), map.remove("history"))));
    inspected(&layout(&folder, "bare", &image(bare, AS_IT_IS, AS_IT_IS)));
    inspected(&layout(
        &folder,
        "annotations",
        &image(AS_IT_IS, &|m| m["annotations"] = json!(null), AS_IT_IS),
    ));
}

#[test]
fn what_is_no_image_is_refused() {
    let folder = Folder::new();
    let fifo = folder.join("fifo");
    output("mkfifo", &[text(&fifo)]);
    let noise = Random(8).bytes(5000);
    for (name, bytes, says) in [
        ("empty", vec![], "no tar"),
        ("short", vec![b'x'; 511], "no tar"),
        ("short zeros", vec![0; 511], "no tar"),
        ("zeros", vec![0; 10240], ""),
        ("text", b"just some text\n".repeat(100), "no tar"),
        ("noise", noise, "no tar"),
        ("gzip", [&[0x1f, 0x8b, 8, 0][..], &[0; 600]].concat(), ""),
        ("no documents", Tar::default().member("x", b'0', b"y").end(), "oci-layout"),
    ] {
        let error = inspect_refused(&folder.write(name, bytes));
        assert_names(&error, &[says]);
    }
    assert_names(&inspect_refused(&fifo), &["neither"]);
    assert_names(&inspect_refused(Path::new("/dev/null")), &["neither"]);
    assert_names(&inspect_refused(&folder.join("missing")), &["No such file"]);
    fs::create_dir(folder.join("nothing")).expect("a directory");
    assert_names(&inspect_refused(&folder.join("nothing")), &["oci-layout", "missing"]);
    symlink("loop", folder.join("loop")).expect("a link");
    inspect_refused(&folder.join("loop"));
}

#[test]
fn documents_that_are_wrong_are_named() {
    let folder = Folder::new();
    let two: Change = &|index| {
        let mut second = index["manifests"][0].clone();
        second["digest"] = json!(Digest::of(b"other").to_string());
        index["manifests"] = json!([index["manifests"][0], second]);
    };
    let descriptor = |key: &'static str, value: Value| {
        move |document: &mut Value| match document.get("manifests") {
            Some(_) => document["manifests"][0][key] = value.clone(),
            None => document["config"][key] = value.clone(),
        }
    };
    let other = Digest::of(b"other").to_string();
    let duplicate = |files: Files| -> Files {
        let twice = br#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#.to_vec();
        files.into_iter().map(|(n, d)| if n == "index.json" { (n, twice.clone()) } else { (n, d) }).collect()
    };
    let layout_file = |text: &str| -> Files {
        let change = |(n, d)| if n == "oci-layout" { (n, text.as_bytes().to_vec()) } else { (n, d) };
        good().into_iter().map(change).collect()
    };
    let index_file = |text: &[u8]| -> Files {
        let change = |(n, d)| if n == "index.json" { (n, text.to_vec()) } else { (n, d) };
        good().into_iter().map(change).collect()
    };
    let without = |i: usize| {
        let mut files = good();
        files.remove(i);
        files
    };
    let tampered = |i: usize| {
        let mut files = good();
        let middle = files[i].1.len() / 2;
        files[i].1[middle] ^= 1;
        files
    };
    let mut too_long = good();
    too_long[3].1.push(b' ');
    let cases: Vec<(_, Files, _)> = vec![
        ("layout missing", without(0), "oci-layout"),
        ("layout version", layout_file(r#"{"imageLayoutVersion":"2.0.0"}"#), "2.0.0"),
        ("layout empty", layout_file(""), "oci-layout"),
        ("layout no JSON", layout_file("1.0.0"), "oci-layout"),
        ("layout too long", layout_file(&" ".repeat(5000)), "oci-layout"),
        ("index missing", without(1), "index.json"),
        ("index of two", image(AS_IT_IS, AS_IT_IS, two), "2 images"),
        ("index of none", image(AS_IT_IS, AS_IT_IS, &|index| index["manifests"] = json!([])), "no image"),
        ("index null", image(AS_IT_IS, AS_IT_IS, &|index| index["manifests"] = json!(null)), "index.json"),
        ("index deep", index_file("[".repeat(100_000).as_bytes()), "index.json"),
        ("index not UTF-8", index_file(b"\"\xff\""), "index.json"),
        ("index trailing", index_file(b"{\"schemaVersion\":2,\"manifests\":[]} x"), "index.json"),
        ("index too long", index_file(&vec![b' '; (4 << 20) + 1]), "index.json"),
        ("index key twice", duplicate(good()), "index.json"),
        ("manifest missing", without(2), "missing"),
        ("manifest tampered", tampered(2), "digest"),
        (
            "manifest type",
            image(
                AS_IT_IS,
                AS_IT_IS,
                &descriptor("mediaType", json!("application/vnd.oci.image.index.v1+json")),
            ),
            "calls itself",
        ),
        ("manifest size", image(AS_IT_IS, AS_IT_IS, &descriptor("size", json!(7))), "expected 7"),
        ("manifest size negative", image(AS_IT_IS, AS_IT_IS, &descriptor("size", json!(-1))), "index.json"),
        ("manifest size text", image(AS_IT_IS, AS_IT_IS, &descriptor("size", json!("12"))), "index.json"),
        ("manifest size float", image(AS_IT_IS, AS_IT_IS, &descriptor("size", json!(1e3))), "index.json"),
        ("manifest digest other", image(AS_IT_IS, AS_IT_IS, &descriptor("digest", json!(other))), "missing"),
        (
            "manifest digest path",
            image(AS_IT_IS, AS_IT_IS, &descriptor("digest", json!("sha256:../../../../etc/passwd"))),
            "digest",
        ),
        (
            "manifest digest upper case",
            image(AS_IT_IS, AS_IT_IS, &descriptor("digest", json!(other.to_uppercase()))),
            "digest",
        ),
        (
            "manifest digest algorithm",
            image(AS_IT_IS, AS_IT_IS, &descriptor("digest", json!("md5:0123"))),
            "digest",
        ),
        ("config missing", without(3), "missing"),
        ("config tampered", tampered(3), "digest"),
        ("config too long", too_long, "bytes"),
        ("config size", image(AS_IT_IS, &descriptor("size", json!(7)), AS_IT_IS), "expected 7"),
        ("config a list", image(&|config| *config = json!([]), AS_IT_IS, AS_IT_IS), "blobs/sha256/"),
        (
            "config without rootfs",
            image(&|config| config["rootfs"] = json!(null), AS_IT_IS, AS_IT_IS),
            "blobs/sha256/",
        ),
        (
            "diff_ids missing",
            image(&|config| config["rootfs"]["diff_ids"] = json!([]), AS_IT_IS, AS_IT_IS),
            "diff_ids",
        ),
        (
            "diff_id wrong",
            image(&|config| config["rootfs"]["diff_ids"] = json!(["sha256:x"]), AS_IT_IS, AS_IT_IS),
            "digest",
        ),
        (
            "layers null",
            image(AS_IT_IS, &|manifest| manifest["layers"] = json!(null), AS_IT_IS),
            "blobs/sha256/",
        ),
        (
            "layers too many",
            image(
                AS_IT_IS,
                &|manifest| manifest["layers"] = json!([manifest["layers"][0], manifest["layers"][0]]),
                AS_IT_IS,
            ),
            "2 layers",
        ),
    ];
    for (what, files, says) in &cases {
        let directory = layout(&folder, &format!("{what} layout"), files);
        let archive = folder.write(&format!("{what}.tar"), Tar::default().files(files).end());
        for path in [directory, archive] {
            let error = inspect_refused(&path);
            assert!(error.contains(says), "{what}: {says} is not in {error}");
        }
    }
}

#[test]
fn a_layout_with_a_fifo_a_directory_or_a_device_in_it_does_not_block() {
    let folder = Folder::new();
    for i in 0..4 {
        let files = good();
        let name = &files[i].0;
        let with_fifo = layout(&folder, &format!("fifo{i}"), &files);
        fs::remove_file(with_fifo.join(name)).expect("a file");
        output("mkfifo", &[text(&with_fifo.join(name))]);
        let with_directory = layout(&folder, &format!("directory{i}"), &files);
        fs::remove_file(with_directory.join(name)).expect("a file");
        fs::create_dir(with_directory.join(name)).expect("a directory");
        let with_zeros = layout(&folder, &format!("zeros{i}"), &files);
        fs::remove_file(with_zeros.join(name)).expect("a file");
        symlink("/dev/zero", with_zeros.join(name)).expect("a link");
        for path in [with_directory, with_zeros, with_fifo] {
            assert_names(&inspect_refused(&path), &[name]);
        }
    }
}

#[test]
fn tars_that_break_the_rules_are_refused_at_the_byte() {
    let folder = Folder::new();
    let first = Tar::default().member("first", b'0', b"data");
    let rest = |tar: Tar| tar.files(&good()).end();
    let sized = |size: &[u8]| rest(first.clone().raw(&header("bad", b'0', size)));
    let mut wrong_sum = header("bad", b'0', &octal(0));
    wrong_sum[0] ^= 1;
    let mut no_sum = header("bad", b'0', &octal(0));
    no_sum[148..156].fill(0);
    let twice = good()[1].clone();
    let mut conflicting = twice.clone();
    conflicting.1.push(b' ');
    let pax_size = |ustar: usize, pax: &str| {
        rest(first.clone().pax(&[("size", pax)]).raw(&header("bad", b'0', &octal(ustar))))
    };
    for (what, bytes) in [
        ("checksum wrong", rest(first.clone().raw(&wrong_sum))),
        ("checksum missing", rest(first.clone().raw(&no_sum))),
        ("size negative", sized(b"-0000000001\0")),
        ("size negative, base 256", sized(&[0xff; 12])),
        ("size base 256 and too long", sized(&[0x80, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])),
        ("size base 256, all of 64 bits", sized(&[0x80, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255])),
        ("size past the end", sized(&octal(1 << 30))),
        ("size of 8 GiB", sized(b"77777777777\0")),
        ("size junk", sized(b"0000000009x\0")),
        ("size with a space inside", sized(b"00000 00012\0")),
        ("size hexadecimal", sized(b"0x000000010\0")),
        ("PAX size past the end", pax_size(0, "99999999999")),
        ("PAX size past 64 bits", pax_size(0, "99999999999999999999999")),
        ("PAX size negative", pax_size(0, "-1")),
        ("PAX size junk", pax_size(0, "12x")),
        ("PAX size empty", pax_size(0, "")),
        ("PAX size float", pax_size(0, "1e3")),
        ("PAX length too long", rest(first.clone().member("x", b'x', b"99 path=x\n"))),
        ("PAX length too short", rest(first.clone().member("x", b'x', b"3 path=x\n"))),
        ("PAX length zero", rest(first.clone().member("x", b'x', b"0 path=x\n"))),
        ("PAX length junk", rest(first.clone().member("x", b'x', b"x path=x\n"))),
        ("PAX length of 64 bits", rest(first.clone().member("x", b'x', b"18446744073709551615 path=x\n"))),
        ("PAX without equals", rest(first.clone().member("x", b'x', b"10 pathxy\n"))),
        ("PAX without newline", rest(first.clone().member("x", b'x', b"9 path=xy"))),
        ("document twice", rest(Tar::default().files(&[twice]))),
        ("document twice, different", rest(Tar::default().files(&[conflicting.clone()]))),
        (
            "document twice, ./",
            rest(Tar::default().files(&[(format!("./{}", conflicting.0), conflicting.1)])),
        ),
        ("PAX body of 100 MiB", rest(first.clone().member("x", b'x', &vec![b'x'; 100 << 20]))),
        ("GNU name of 2 MiB", rest(first.clone().member("x", b'L', &vec![b'x'; 2 << 20]))),
    ] {
        let path = folder.write(&format!("{what}.tar"), bytes);
        let error = inspect_refused(&path);
        assert_names(&error, &["at byte "]);
        fs::remove_file(path).expect("a file");
    }
}

#[test]
fn a_pax_header_of_100_mib_takes_no_memory() {
    let folder = Folder::new();
    let body = vec![b'x'; 100 << 20];
    let path = folder.write("big.tar", Tar::default().member("x", b'x', &body).files(&good()).end());
    let ran = run(Command::new("/usr/bin/time")
        .args(["-q", "-f", "%M", "--"])
        .arg(gantry())
        .arg("inspect")
        .arg(path));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let kibibytes: u64 = ran.stderr.lines().last().and_then(|line| line.parse().ok()).expect("kibibytes");
    assert!(kibibytes < 32 << 10, "{kibibytes} KiB");
}

#[test]
fn a_pax_size_wins_over_the_ustar_size() {
    // POSIX, pax(1). Who reads the other one sees other members (CVE-2025-62518, CVE-2026-33055): here a
    // second image, hidden in the data of a file.
    let folder = Folder::new();
    let real = Digest::of(&good()[2].1).to_string();
    let hidden = image(&|config| config["config"] = json!({ "Cmd": ["hidden"] }), AS_IT_IS, AS_IT_IS);
    let hidden = Tar::default().files(&hidden).0;
    let size = hidden.len().to_string();
    for (what, ustar) in [("zero", 0), ("a block", 512), ("more", 10240)] {
        let tar =
            Tar::default().pax(&[("size", &size)]).raw(&header("data", b'0', &octal(ustar))).raw(&hidden);
        let path = folder.write(what, tar.files(&good()).end());
        let script = "import sys, tarfile\nprint(len(tarfile.open(sys.argv[1], 'r:').getnames()))";
        assert_eq!(
            output("python3", &["-c", script, text(&path)]),
            "6",
            "Python sees the file and the documents"
        );
        assert_eq!(inspected(&path)["digest"], real, "{what}");
    }
    // With GNU's long name between the header and its member.
    let tar = Tar::default().pax(&[("size", &size)]).member("././@LongLink", b'L', b"data\0");
    let tar = tar.raw(&header("cut", b'0', &octal(0))).raw(&hidden);
    let path = folder.write("long", tar.files(&good()).end());
    let ran = run(&mut inspect(&path));
    match ran.code {
        Some(0) => assert_eq!(support::json(&ran.stdout)["digest"], real),
        _ => drop(one_error(ran)),
    }
}

#[test]
fn a_size_where_no_data_is_hides_nothing() {
    // Links, devices, directories. Go's archive/tar (isHeaderOnlyType), which docker, podman and containerd
    // read images with, and CPython see no data behind them; GNU tar skips it behind all but hard links and
    // directories. What is read here must be what they read, or refused.
    let folder = Folder::new();
    let real = Digest::of(&good()[2].1).to_string();
    let shown = image(&|config| config["config"] = json!({ "Cmd": ["shown"] }), AS_IT_IS, AS_IT_IS);
    let shown = Tar::default().files(&shown).0;
    let names = |path: &Path| {
        let script = "import sys, tarfile\nprint(len(tarfile.open(sys.argv[1], 'r:').getnames()))";
        output("python3", &["-c", script, text(path)])
    };
    for kind in [b'1', b'2', b'3', b'4', b'5', b'6'] {
        let link = Tar::default().raw(&header("link", kind, &octal(512)));
        let path = folder.write(&format!("plain {kind}"), link.files(&good()).end());
        assert_eq!(names(&path), "6", "Python sees the link and the documents");
        let ran = run(&mut inspect(&path));
        match kind {
            b'1' | b'5' => assert_eq!(support::json(&ran.ok())["digest"], real, "all readers agree"),
            _ if ran.code == Some(0) => assert_eq!(support::json(&ran.stdout)["digest"], real),
            _ => drop(one_error(ran)),
        }
        // One image in what is data to some, another behind it: every document is there twice.
        let link = Tar::default().raw(&header("link", kind, &octal(shown.len()))).raw(&shown);
        let path = folder.write(&format!("two {kind}"), link.files(&good()).end());
        assert_eq!(names(&path), "11", "Python sees both images");
        inspect_refused(&path);
    }
}

/// What the library makes of an archive, in a thread that may take ten seconds.
fn opened(path: &Path) -> Result<Digest, String> {
    let (told, hear) = channel();
    let path = path.to_path_buf();
    let thread = std::thread::spawn(move || {
        let result = gantry::base::open(&path, None, &gantry::layer::Silent)
            .map(|image| image.manifest.expect("a manifest").0.digest)
            .map_err(|e| e.to_string());
        let _ = told.send(result);
    });
    let result =
        hear.recv_timeout(Duration::from_secs(10)).expect("an answer, without panic, in ten seconds");
    thread.join().expect("no panic");
    result
}

#[test]
fn a_cut_archive_is_an_error_or_whole_never_something_else() {
    let folder = Folder::new();
    let files = good();
    let whole = Tar::default().pax(&[("comment", "x")]).files(&files).end();
    let digest = Digest::of(&files[2].1);
    // Up to the end of the last document: the layer behind it is not read.
    let enough =
        whole.len() - 1024 - (512 + 10240) - files[3].1.len().next_multiple_of(512) + files[3].1.len();
    let mut cuts: Vec<usize> = (0..whole.len()).step_by(512).collect();
    cuts.extend((0..whole.len()).step_by(97));
    cuts.extend([1, 511, 513, whole.len() - 1]);
    for cut in cuts {
        let path = folder.write("cut.tar", &whole[..cut]);
        match opened(&path) {
            Ok(found) => assert!(found == digest && cut >= enough, "cut at {cut}, needed {enough}"),
            Err(error) => assert!(cut < whole.len() - 1024, "cut at {cut}: {error}"),
        }
    }
}

#[test]
fn an_archive_with_flipped_bits_is_an_error_or_the_same_image() {
    let folder = Folder::new();
    let files = good();
    let whole = Tar::default()
        .pax(&[("path", "renamed"), ("size", "4")])
        .member("x", b'0', b"data")
        .member("././@LongLink", b'L', b"a long name\0")
        .member("y", b'2', b"")
        .files(&files)
        .end();
    let digest = Digest::of(&files[2].1);
    let headers: Vec<usize> =
        (0..whole.len()).step_by(512).filter(|&at| whole[at + 257..at + 262] == *b"ustar").collect();
    let mut random = Random(31);
    for turn in 0..4000 {
        let mut bytes = whole.clone();
        let at = headers[random.below(headers.len())];
        for _ in 0..1 + random.below(3) {
            // Mostly where it matters: size, type, name.
            let offset = match random.below(5) {
                0 => 124 + random.below(12),
                1 => 156,
                2 => random.below(100),
                // The data of an extended header.
                3 => 512 + random.below(32),
                _ => random.below(512),
            };
            bytes[at + offset] = match random.one_in(2) {
                true => bytes[at + offset] ^ (1 << random.below(8)),
                false => random.next() as u8,
            };
        }
        if !random.one_in(4) {
            sum(&mut bytes[at..at + 512]);
        }
        let path = folder.write("flipped.tar", &bytes);
        if let Ok(found) = opened(&path) {
            assert_eq!(found, digest, "turn {turn}");
        }
    }
}
