//! The root layer: `contents` linked and `copyToRoot` copied into `/`, as nixpkgs' symlinkJoin does
//! (tests/oracle/root.py); what two sources may have in common; and what no source may hold.

mod support;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::{Random, Store, ask, from_bytes, listing, output, run};

fn sources(paths: &[&Path]) -> Value {
    paths.iter().map(|path| json!({ "path": path })).collect()
}

/// Builds the root layer of sources that do not collide, and compares it with the oracle's.
#[track_caller]
fn compare(store: &Store, contents: &[&Path], copied: &[&Path], arguments: Value) -> Value {
    let mut question = json!({ "mtime": 1, "uid": 0, "gid": 0, "uname": "root", "gname": "root" });
    for (key, value) in arguments.as_object().expect("a set") {
        question[key] = value.clone();
    }
    let mut all = arguments;
    all["contents"] = sources(contents);
    all["copyToRoot"] = sources(copied);
    let name = format!("root-{}", fs::read_dir(store.folder().path()).expect("a folder").count());
    store.root(all, &name).ok();
    let out = store.folder().join(&name);
    question["tar"] = json!(out.join("layer.tar"));
    question["contents"] = json!(contents);
    question["copyToRoot"] = json!(copied);
    let answer = ask("root", &question);
    assert_eq!(answer["found"], answer["expected"]);
    answer["found"].clone()
}

/// The members of a built root layer: `name`, or `name -> target` of links; files and links only.
fn members(root: &Path) -> Vec<String> {
    let script = "import sys, tarfile\nfor t in tarfile.open(sys.argv[1], 'r:'):\n  if not t.isdir(): print(t.name + (' -> ' + t.linkname if t.issym() else ''))";
    let tar = root.join("layer.tar");
    let listed = output("python3", &["-c", script, tar.to_str().expect("UTF-8")]);
    listed.lines().map(str::to_string).collect()
}

/// The one error of sources that do not fit; nothing may be left.
#[track_caller]
fn refused(store: &Store, arguments: Value) -> String {
    let attributes = json!({ "gantry": { "kind": "root", "arguments": arguments } });
    let out = store.folder().join("refused");
    let mut command = store.build(&attributes, &out);
    let before = listing(store.folder().path());
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(listing(store.folder().path()), before);
    let error = ran.err();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.starts_with("error: "), "{error}");
    error
}

#[track_caller]
fn assert_names(error: &str, parts: &[&dyn std::fmt::Display]) {
    for part in parts {
        assert!(error.contains(&part.to_string()), "{part} is not in {error}");
    }
}

#[test]
fn contents_are_linked_and_copies_are_copied() {
    let store = Store::new();
    let one = store.add(
        "one",
        &[
            ("bin/one", "#!/bin/sh\n"),
            ("bin/uno", "-> one"),
            ("share/doc/one", "text"),
            ("lib64", "-> lib"),
            ("lib/libone.so", "-> libone.so.1"),
            ("lib/libone.so.1", "elf"),
            ("etc/dangling", "-> nowhere"),
            ("etc/absolute", "-> /etc/shadow"),
            ("etc/out", "-> ../../../../../etc/passwd"),
            ("etc/up", "-> ../lib"),
            ("empty/", ""),
        ],
    );
    let two = store.add("two", &[("bin/two", "#!/bin/sh\n"), ("share/doc/two", ""), ("var/empty/", "")]);
    let copied = store.add("copied", &[("bin/copied", "x"), ("etc/copied", "y"), ("share/ln", "-> doc/one")]);
    let found = compare(&store, &[&one, &two], &[&copied], json!({}));
    assert!(found.as_array().expect("a list").len() > 20);
    let owner =
        json!({ "mtime": 315_532_800, "uid": 1000, "gid": 3_000_000, "uname": "ü", "gname": "users" });
    compare(&store, &[&two, &one], &[&copied], owner);
}

#[test]
fn without_sources_there_is_an_empty_root() {
    let store = Store::new();
    let found = compare(&store, &[], &[], json!({}));
    assert_eq!(found.as_array().map(Vec::len), Some(1), "`./` alone: {found}");
    compare(&store, &[&store.add("empty", &[])], &[], json!({}));
}

#[test]
fn a_link_that_leads_out_of_its_source_is_replaced_by_one_to_itself() {
    // `../` above the source means another store path; above `/` it would mean `/`.
    let store = Store::new();
    let other = store.add("other", &[("file", "text")]);
    let sibling = format!("-> ../../{}/file", other.file_name().expect("a name").display());
    let source = store.add("source", &[("etc/link", &sibling), ("inside", "-> etc/../etc/link")]);
    compare(&store, &[&source], &[], json!({}));
}

#[test]
fn names_of_any_length_and_encoding_are_kept() {
    let store = Store::new();
    let odd = store.add("odd", &[]);
    let copied = store.add("copied", &[]);
    let mut names: Vec<Vec<u8>> = vec![
        b"new\nline".into(),
        b"\xff\xfe".into(),
        "\u{1f600}".into(),
        b" ".into(),
        b"-x".into(),
        b"a\\b".into(),
    ];
    names.extend([95, 97, 98, 99, 100, 101, 155, 255].map(|n| vec![b'n'; n]));
    for (top, prefix) in [(&odd, b'o'), (&copied, b'c')] {
        for name in &names {
            let mut name = name.clone();
            name[0] = prefix;
            let directory = top.join(from_bytes(&name));
            fs::create_dir_all(&directory).expect("a directory");
            fs::write(directory.join(from_bytes(&name)), &name).expect("a file");
            symlink(from_bytes(&[b't'; 200]), directory.join("long-link")).expect("a link");
            symlink(from_bytes(b"\xffbytes"), directory.join("bytes")).expect("a link");
        }
    }
    compare(&store, &[&odd], &[&copied], json!({}));
}

#[test]
fn siblings_are_in_the_order_of_their_bytes() {
    let store = Store::new();
    let one =
        store.add("one", &[("b", ""), ("a/x", ""), ("a-b", ""), ("B", ""), ("\u{e9}", ""), ("a.b", "")]);
    let two = store.add("two", &[("\u{1f600}", ""), ("\u{e000}", ""), ("a/w", ""), ("A", "")]);
    compare(&store, &[&one], &[&two], json!({}));
}

#[test]
fn generated_sources_are_merged_as_lndir_does() {
    let mut random = Random(77);
    for _ in 0..25 {
        let store = Store::new();
        let tops: Vec<PathBuf> = (0..4).map(|i| store.add(&format!("source{i}"), &[])).collect();
        for (i, top) in tops.iter().enumerate() {
            for j in 0..random.below(25) {
                // Directories are common to all sources, files to none.
                let depth = random.below(4);
                let mut directory = top.clone();
                directory.extend((0..depth).map(|_| *random.pick(&[&"bin", &"lib", &"a-b", &"ä", &"share"])));
                fs::create_dir_all(&directory).expect("a directory");
                let path =
                    directory.join(format!("{}{i}-{j}", random.pick(&["file", ".", "~", "\u{1f980}"])));
                match random.below(4) {
                    0 => {
                        symlink(random.pick(&["x", "../x", "../../../x", "/x", "."]), &path).expect("a link")
                    }
                    _ => {
                        let size = random.below(2000);
                        fs::write(&path, random.bytes(size)).expect("a file");
                        let mode = *random.pick(&[&0o444, &0o555]);
                        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
                    }
                }
            }
        }
        let cut = random.below(5);
        let all: Vec<&Path> = tops.iter().map(PathBuf::as_path).collect();
        compare(&store, &all[..cut], &all[cut..], json!({}));
    }
}

#[test]
fn a_source_may_be_a_directory_in_a_store_path_or_a_link_to_one() {
    let store = Store::new();
    let top = store.add("top", &[("share/doc/file", "text")]);
    compare(&store, &[&top.join("share")], &[], json!({}));
    let link = store.path("link");
    symlink(&top, &link).expect("a link");
    store.root(json!({ "contents": sources(&[&link]) }), "out").ok();
    assert_eq!(
        members(&store.folder().join("out")),
        [format!("./share/doc/file -> {}/share/doc/file", link.display())]
    );
}

#[test]
fn root_json_has_configuration_sources_and_what_is_known_of_the_layer() {
    let store = Store::new();
    let linked = store.add("linked", &[("bin/x", "x")]);
    let copied = store.add("copied", &[("etc/y", "y")]);
    let config = json!({ "Cmd": ["x", "ü"], "Env": ["A=b"], "User": null });
    let arguments =
        json!({ "contents": sources(&[&linked]), "copyToRoot": sources(&[&copied]), "config": config });
    store.root(arguments, "out").ok();
    let out = store.folder().join("out");
    let mut names: Vec<_> =
        fs::read_dir(&out).expect("out").map(|e| e.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["layer.tar", "root.json"]);
    let recorded = support::json(&fs::read_to_string(out.join("root.json")).expect("root.json"));
    let tar = out.join("layer.tar");
    let size = fs::metadata(&tar).expect("layer.tar").len();
    let sum = output("sha256sum", &[tar.to_str().expect("UTF-8")]);
    let members = recorded["layer"]["members"].as_u64().expect("a number");
    assert_eq!(
        recorded,
        json!({
            "config": { "Cmd": ["x", "ü"], "Env": ["A=b"] },
            "contents": [linked, copied],
            "layer": { "digest": format!("sha256:{}", &sum[..64]), "size": size, "members": members },
        })
    );
    // ./ bin/ bin/x etc/ etc/y and its data: where the zeros of the end begin.
    let blocks = if linked.as_os_str().len() + 6 <= 100 { 6 } else { 8 };
    assert_eq!(members, blocks * 512);
    assert_eq!(size, 10240);
    let bytes = fs::read(tar).expect("layer.tar");
    assert!(bytes[members as usize..].iter().all(|&byte| byte == 0));
}

#[test]
fn a_root_layer_is_the_same_wherever_and_whoever_makes_it() {
    let store = Store::new();
    let source = store.add("source", &[("bin/x", "x"), ("etc/y", "y"), ("z", "-> bin")]);
    let arguments = json!({ "contents": sources(&[&source]), "copyToRoot": [] });
    store.root(arguments.clone(), "one").ok();
    fs::set_permissions(store.folder().path(), Permissions::from_mode(0o777)).expect("a mode");
    let attributes = json!({ "gantry": { "kind": "root", "arguments": arguments } });
    let build = store.build(&attributes, &store.folder().join("two"));
    let mut command = Command::new("sh");
    command.args([
        "-euc",
        "umask 0077; exec setpriv --reuid 65534 --regid 65534 --clear-groups -- \"$@\"",
        "sh",
    ]);
    command.arg(build.get_program()).args(build.get_args()).env("NIX_STORE", store.directory());
    run(command.env("LC_ALL", "C").env("TZ", "Asia/Tokyo").current_dir("/")).ok();
    for file in ["layer.tar", "root.json"] {
        let read = |out: &str| fs::read(store.folder().join(out).join(file)).expect("a file");
        assert!(read("one") == read("two"), "{file}");
    }
}

#[test]
fn the_same_from_two_sources_is_no_conflict() {
    let store = Store::new();
    let files = [("etc/same", "same bytes"), ("bin/same", "#!"), ("lib/link", "-> target")];
    let one = store.add("one", &files);
    let two = store.add("two", &files);
    store
        .root(json!({ "contents": sources(&[&one, &two, &one]), "copyToRoot": sources(&[&two]) }), "out")
        .ok();
    let of_one = |name: &str| format!("./{name} -> {}/{name}", one.display());
    assert_eq!(
        members(&store.folder().join("out")),
        [of_one("bin/same"), of_one("etc/same"), "./lib/link -> target".to_string()],
        "the first is what all get"
    );
}

#[test]
fn different_files_are_one_error_that_names_both() {
    let store = Store::new();
    let one = store.add("one", &[("etc/app/conf", "one")]);
    let two = store.add("two", &[("etc/app/conf", "two")]);
    let same = store.add("same", &[("etc/other", "")]);
    for arguments in [
        json!({ "contents": sources(&[&one, &same, &two]) }),
        json!({ "copyToRoot": sources(&[&one, &same, &two]) }),
        json!({ "contents": sources(&[&one]), "copyToRoot": sources(&[&two]) }),
    ] {
        let error = refused(&store, arguments.clone());
        let (first, second) = match (arguments["contents"].as_array(), arguments["copyToRoot"].as_array()) {
            (Some(_), None) => ("contents[0]", "contents[2]"),
            (None, Some(_)) => ("copyToRoot[0]", "copyToRoot[2]"),
            _ => ("contents[0]", "copyToRoot[0]"),
        };
        let (a, b) = (one.join("etc/app/conf"), two.join("etc/app/conf"));
        assert_names(&error, &[&"/etc/app/conf", &a.display(), &b.display(), &first, &second, &"priority"]);
    }
}

#[test]
fn files_that_differ_in_a_byte_a_mode_or_a_links_text_are_different() {
    let store = Store::new();
    let file = store.add("file", &[("x", "text")]);
    let longer = store.add("longer", &[("x", "text and more")]);
    let byte = store.add("byte", &[("x", "texT")]);
    let link = store.add("link", &[("x", "-> y"), ("y", "text")]);
    let other_link = store.add("other-link", &[("x", "-> ./y")]);
    let executable = store.add("executable", &[("x", "text")]);
    fs::set_permissions(executable.join("x"), Permissions::from_mode(0o555)).expect("a mode");
    let all = [&file, &longer, &byte, &link, &other_link, &executable];
    for (i, a) in all.iter().enumerate() {
        for b in &all[i + 1..] {
            for key in ["contents", "copyToRoot"] {
                let error = refused(&store, json!({ key: sources(&[a, b]) }));
                assert_names(&error, &[&a.join("x").display(), &b.join("x").display()]);
            }
        }
    }
}

#[test]
fn a_file_and_a_directory_are_one_error_that_names_both() {
    let store = Store::new();
    let file = store.add("file", &[("x", "text")]);
    let directory = store.add("directory", &[("x/below/file", "text")]);
    let out = store.add("out", &[("x", "-> /etc")]);
    let dangling = store.add("dangling", &[("x", "-> nowhere")]);
    for other in [&file, &out, &dangling] {
        for (first, second) in [(other, &directory), (&directory, other)] {
            for key in ["contents", "copyToRoot"] {
                let error = refused(&store, json!({ key: sources(&[first, second]) }));
                let arguments = [format!("{key}[0]"), format!("{key}[1]")];
                assert_names(
                    &error,
                    &[&"/x", &first.display(), &second.display(), &arguments[0], &arguments[1]],
                );
            }
        }
    }
}

#[test]
fn a_file_and_an_empty_directory_are_one_error_that_names_both() {
    let store = Store::new();
    let file = store.add("file", &[("x", "text")]);
    for inside in ["x/", "x/only/directories/"] {
        let directory = store.add(&format!("directory{}", inside.len()), &[(inside, "")]);
        for (first, second) in [(&file, &directory), (&directory, &file)] {
            let error = refused(&store, json!({ "contents": sources(&[first, second]) }));
            assert_names(&error, &[&first.display(), &second.display(), &"contents[0]", &"contents[1]"]);
        }
    }
}

#[test]
fn a_link_to_a_directory_merges_with_a_directory() {
    let store = Store::new();
    let linked = store.add("linked", &[("lib64", "-> lib"), ("lib/one", "1")]);
    let real = store.add("real", &[("lib64/two", "2")]);
    for (order, name) in [([&linked, &real], "a"), ([&real, &linked], "b")] {
        let order: Vec<&Path> = order.iter().map(|path| path.as_path()).collect();
        store.root(json!({ "contents": sources(&order) }), name).ok();
        let found = members(&store.folder().join(name));
        // Where `one` is reached through the link or where it lies: both lead there.
        assert_eq!(found.len(), 3, "{found:?}");
        let one = format!("{}/lib/one", linked.display());
        assert_eq!(found[0], format!("./lib/one -> {one}"));
        assert_eq!(found[1], format!("./lib64/one -> {one}"));
        assert_eq!(found[2], format!("./lib64/two -> {}/lib64/two", real.display()));
    }
}

#[test]
fn links_to_directories_of_other_store_paths_merge() {
    let store = Store::new();
    let doc = store.add("doc", &[("guide", "text"), ("deeper/page", "text")]);
    let man = store.add("man", &[("manual", "text"), ("deeper/leaf", "text")]);
    let one = store.add("one", &[("share", &format!("-> {}", doc.display()))]);
    let two = store.add("two", &[("share", &format!("-> {}", man.display()))]);
    store.root(json!({ "contents": sources(&[&one, &two]) }), "out").ok();
    assert_eq!(
        members(&store.folder().join("out")),
        [
            format!("./share/deeper/leaf -> {}/deeper/leaf", man.display()),
            format!("./share/deeper/page -> {}/deeper/page", doc.display()),
            format!("./share/guide -> {}/guide", doc.display()),
            format!("./share/manual -> {}/manual", man.display()),
        ]
    );
}

#[test]
fn the_lower_priority_wins_in_any_order() {
    let store = Store::new();
    let low = store.add("low", &[("etc/x", "low"), ("etc/only-low", "")]);
    let high = store.add("high", &[("etc/x", "high"), ("etc/only-high", "")]);
    // nixpkgs: hiPrio is -10, lowPrio 10, 5 unless said otherwise.
    for (a, b) in [(-10, 5), (5, 10), (-10, 10), (i64::MIN, i64::MAX)] {
        let low_source = json!({ "path": low, "priority": a });
        let high_source = json!({ "path": high, "priority": b });
        for (i, order) in [[&low_source, &high_source], [&high_source, &low_source]].iter().enumerate() {
            let out = format!("out{a}{b}{i}");
            store.root(json!({ "contents": order }), &out).ok();
            assert_eq!(
                members(&store.folder().join(out)),
                [
                    format!("./etc/only-high -> {}/etc/only-high", high.display()),
                    format!("./etc/only-low -> {}/etc/only-low", low.display()),
                    format!("./etc/x -> {}/etc/x", low.display()),
                ]
            );
        }
    }
}

#[test]
fn of_three_sources_the_lowest_priority_wins_whatever_the_order() {
    let store = Store::new();
    let paths: Vec<PathBuf> = ["a", "b", "c"].iter().map(|name| store.add(name, &[("x", name)])).collect();
    let source = |i: usize, priority: i64| json!({ "path": paths[i], "priority": priority });
    for (i, order) in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]].iter().enumerate() {
        let contents: Vec<Value> = order.iter().map(|&i| source(i, [5, 5, 1][i])).collect();
        let ran = store.root(json!({ "contents": contents }), &format!("out{i}"));
        match order[2] {
            // The equal ones met first: an error, though the third would have won over both.
            2 if ran.code == Some(1) => assert!(ran.stderr.contains("priority"), "{}", ran.stderr),
            _ => {
                ran.ok();
                let found = members(&store.folder().join(format!("out{i}")));
                assert_eq!(found, [format!("./x -> {}/x", paths[2].display())]);
            }
        }
    }
}

#[test]
fn of_generated_indexes_the_first_wins() {
    let store = Store::new();
    let files = [
        "nix-support/propagated-build-inputs",
        "nix-support/deeper/file",
        "share/info/dir",
        "info/dir",
        "share/mime/globs2",
        "share/mime/application/x.xml",
        "share/icons/hicolor/icon-theme.cache",
        "share/applications/mimeinfo.cache",
        "share/glib-2.0/schemas/gschemas.compiled",
        "lib/perl5/perllocal.pod",
    ];
    let one = store.add("one", &files.map(|file| (file, "one")));
    let two = store.add("two", &files.map(|file| (file, "two")));
    store.root(json!({ "contents": sources(&[&one, &two]) }), "out").ok();
    let mut expected: Vec<String> = files.map(|file| format!("./{file} -> {}/{file}", one.display())).into();
    expected.sort();
    assert_eq!(members(&store.folder().join("out")), expected);
    // What only looks like one is a conflict.
    for (i, file) in
        ["share/mime/packages/x.xml", "share/info/dir.x", "lib/nix-support/x", "xinfo/dir"].iter().enumerate()
    {
        let one = store.add(&format!("one{i}"), &[(file, "one")]);
        let two = store.add(&format!("two{i}"), &[(file, "two")]);
        let error = refused(&store, json!({ "contents": sources(&[&one, &two]) }));
        assert_names(&error, &[&file]);
    }
}

#[test]
fn links_in_circles_end_with_an_error() {
    let store = Store::new();
    let one = store.add("one", &[("d/loop", "-> ."), ("d/one", "1")]);
    let two = store.add("two", &[("d/loop", "-> ../d"), ("d/two", "2")]);
    let error = refused(&store, json!({ "contents": sources(&[&one, &two]) }));
    assert_names(&error, &[&"deeper than"]);
    // Without another source there is nothing to merge: the link stays a link.
    compare(&store, &[&one], &[], json!({}));
}

#[test]
fn sources_that_are_no_directories_of_the_store_are_refused_by_name() {
    let store = Store::new();
    let file = store.path("file");
    fs::write(&file, "text").expect("a file");
    let missing = store.path("missing");
    let dangling = store.path("dangling");
    symlink("nowhere", &dangling).expect("a link");
    let looping = store.path("looping");
    symlink(&looping, &looping).expect("a link");
    let out = store.path("out");
    symlink("/etc", &out).expect("a link");
    let through = store.add("through", &[("out", "-> /")]);
    let beside = store.folder().join("store-beside");
    fs::create_dir(&beside).expect("a directory");
    let fifo = store.path("fifo");
    output("mkfifo", &[fifo.to_str().expect("UTF-8")]);
    let good = store.add("good", &[("x", "")]);
    for (path, says) in [
        (file.clone(), "a file"),
        (missing, "No such file"),
        (dangling, "No such file"),
        (looping, "symbolic links"),
        (out, "outside the store"),
        (through.join("out/etc"), "outside the store"),
        (through.join("out"), "outside the store"),
        (PathBuf::from("/etc"), "outside the store"),
        (beside, "outside the store"),
        (fifo, "neither a file nor a directory"),
        (file.join("below"), "Not a directory"),
    ] {
        for key in ["contents", "copyToRoot"] {
            let error = refused(&store, json!({ key: sources(&[&good, &path]) }));
            assert_names(&error, &[&path.display(), &format!("{key}[1]"), &says]);
        }
    }
}

#[test]
fn special_files_and_deletions_in_a_source_are_refused_by_name() {
    let store = Store::new();
    let make = |name: &str, below: &str| {
        let top = store.add(name, &[("d/ok", "")]);
        top.join(below).to_str().expect("UTF-8").to_string()
    };
    let fifo = make("fifo", "d/fifo");
    output("mkfifo", &[&fifo]);
    let socket = make("socket", "d/socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let device = make("device", "d/null");
    output("mknod", &[&device, "c", "1", "3"]);
    let whiteout = make("whiteout", "d/.wh.x");
    File::create(&whiteout).expect("a file");
    let opaque = make("opaque", "d/.wh..wh..opq");
    File::create(&opaque).expect("a file");
    let directory = make("directory", "d/.wh.directory");
    fs::create_dir(&directory).expect("a directory");
    let link = make("link", "d/.wh.link");
    symlink("x", &link).expect("a link");
    for (path, says) in [
        (&fifo, "FIFO"),
        (&socket, "socket"),
        (&device, "device"),
        (&whiteout, ".wh."),
        (&opaque, ".wh."),
        (&directory, ".wh."),
        (&link, ".wh."),
    ] {
        let top = Path::new(path).parent().and_then(Path::parent).expect("a store path");
        for key in ["contents", "copyToRoot"] {
            let error = refused(&store, json!({ key: sources(&[top]) }));
            assert_names(&error, &[path, &format!("{key}[0]"), &says]);
        }
    }
    // Names that only resemble one are names.
    let near = store.add("near", &[(".wh", ""), ("x.wh.y", ""), (".WH.x", ""), (".who", "")]);
    compare(&store, &[&near], &[], json!({}));
}

#[test]
fn nothing_outside_the_store_is_ever_read() {
    // A secret that a copy would show, a directory that a merge would enter.
    let store = Store::new();
    let secret = store.folder().join("secret/file");
    fs::create_dir_all(secret.parent().expect("a folder")).expect("a directory");
    fs::write(&secret, "the secret text").expect("a file");
    let outside = secret.parent().expect("a folder").display().to_string();
    let up = "../".repeat(20) + &outside[1..];
    let source = store.add(
        "source",
        &[
            ("absolute", &format!("-> {outside}/file")),
            ("directory", &format!("-> {outside}")),
            ("up", &format!("-> {up}/file")),
            ("chain", "-> directory/file"),
        ],
    );
    for key in ["contents", "copyToRoot"] {
        let trace = store.folder().join(format!("trace-{key}"));
        let attributes = json!({ "gantry": { "kind": "root", "arguments": { key: sources(&[&source]) } } });
        let build = store.build(&attributes, &store.folder().join(key));
        let mut traced = Command::new("strace");
        traced.args(["-f", "-y", "-e", "trace=open,openat,read,getdents64", "-o"]).arg(&trace);
        traced.arg(build.get_program()).args(build.get_args()).env("NIX_STORE", store.directory());
        run(&mut traced).ok();
        let trace = fs::read_to_string(trace).expect("a trace");
        assert!(trace.contains("layer.tar"), "it is a trace of the builder");
        assert!(!trace.contains("secret"), "{key} reads outside: {trace}");
        let tar = fs::read(store.folder().join(key).join("layer.tar")).expect("a tar");
        assert!(!tar.windows(15).any(|window| window == b"the secret text"));
    }
    compare(&store, &[&source], &[], json!({}));
    compare(&store, &[], &[&source], json!({}));
    // A directory of the same name is no reason to enter either.
    let real = store.add("real", &[("directory/x", "")]);
    for key in ["contents", "copyToRoot"] {
        refused(&store, json!({ key: sources(&[&source, &real]) }));
    }
}

#[test]
fn copied_files_are_padded_to_whole_blocks() {
    let store = Store::new();
    let sizes = [0, 1, 511, 512, 513, 70_000, 262_144, 262_145];
    let files: Vec<(String, String)> = sizes.map(|n| (format!("file{n}"), "b".repeat(n))).into();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (&name[..], &text[..])).collect();
    compare(&store, &[], &[&store.add("source", &files)], json!({}));
}
