//! The bytes of layers and archives: those of nixpkgs' streamLayeredImage, which are those of CPython's
//! tarfile (tests/oracle/layer.py), however they are read, and whatever the number of threads.

mod support;

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use gantry::digest::Digest;
use gantry::layer::tar::{self, Entry, Kind, Shared};
use gantry::layer::{
    Blob, BlobSink, Layer, LayerError, LayerReader, Progress, Silent, Slot, measure, write_layers,
};
use gantry::spec::{Compression, Owner};
use serde_json::{Value, json};
use support::{Folder, Random, Store, ask, from_bytes, output, run};

fn shared(mtime: i64, uid: u32, gid: u32, uname: &str, gname: &str) -> Shared {
    Shared { mtime, owner: Owner { uid, gid, uname: uname.to_string(), gname: gname.to_string() } }
}

fn usual() -> Shared {
    shared(1, 0, 0, "root", "root")
}

/// The layer of `paths`, measured.
fn layer(paths: &[PathBuf], store: &Path, shared: &Shared) -> Layer {
    let sizes = measure(paths, shared, 2).expect("sizes");
    let paths = paths.iter().map(|path| path.to_str().expect("UTF-8").to_string()).collect();
    Layer::of_store_paths(paths, &sizes, store, shared, Vec::new())
}

/// Everything that a layer's reader gives, in buffers of `chunk` bytes.
fn read_all(layer: &Layer, shared: &Shared, mut chunk: impl FnMut() -> usize) -> Result<Vec<u8>, LayerError> {
    let mut reader = LayerReader::new(layer, shared);
    let (mut all, mut buffer) = (Vec::new(), Vec::new());
    loop {
        buffer.resize(chunk(), 0xaa);
        let n = reader.read(&mut buffer)?;
        all.extend_from_slice(&buffer[..n]);
        if n < buffer.len() {
            assert_eq!(reader.read(&mut buffer)?, 0, "there is nothing after the end");
            return Ok(all);
        }
    }
}

/// What the oracle writes for `paths`.
fn question(paths: &[PathBuf], store: &Path, shared: &Shared, out: &Path) -> Value {
    let Owner { uid, gid, uname, gname } = &shared.owner;
    json!({
        "store": store, "paths": paths, "out": out, "mtime": shared.mtime,
        "uid": uid, "gid": gid, "uname": uname, "gname": gname,
    })
}

#[track_caller]
fn assert_same(found: &[u8], expected: &[u8], what: &str) {
    if found != expected {
        let at =
            found.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(found.len().min(expected.len()));
        let around = |bytes: &[u8]| {
            let from = at.saturating_sub(40).min(bytes.len());
            String::from_utf8_lossy(&bytes[from..bytes.len().min(at + 40)]).into_owned()
        };
        panic!(
            "{what}: {} bytes, expected {}; first difference at {at}: found {:?}, expected {:?}",
            found.len(),
            expected.len(),
            around(found),
            around(expected)
        );
    }
}

/// A tree for one case, and what is to be done with it.
struct Case {
    what: String,
    paths: Vec<PathBuf>,
    shared: Shared,
}

/// Compares all cases with the oracle, which is asked once; and reads and measures them in other ways.
fn compare(folder: &Folder, store: &Path, cases: &[Case]) {
    fs::create_dir(folder.join("expected")).expect("a directory");
    let out = |i: usize| folder.join(format!("expected/{i}"));
    let questions =
        cases.iter().enumerate().map(|(i, case)| question(&case.paths, store, &case.shared, &out(i)));
    let answers = ask("layer", &questions.collect());
    let mut random = Random(99);
    for (i, case) in cases.iter().enumerate() {
        let layer = layer(&case.paths, store, &case.shared);
        let expected = fs::read(out(i)).expect("the oracle's layer");
        assert_eq!(answers[i], expected.len(), "{}", case.what);
        let found = read_all(&layer, &case.shared, || 1 << 20).expect(&case.what);
        assert_same(&found, &expected, &case.what);
        assert_eq!(layer.size, expected.len() as u64, "{}: its size was known before", case.what);
        assert_eq!(layer.size % 10240, 0, "{}", case.what);
        let smallest = if expected.len() < 50_000 { 1 } else { 7 };
        for chunk in [smallest, 511, 513, 10240] {
            let found = read_all(&layer, &case.shared, || chunk).expect(&case.what);
            assert_same(&found, &expected, &format!("{}, {chunk} bytes at a time", case.what));
        }
        let found = read_all(&layer, &case.shared, || 1 + random.below(3000)).expect(&case.what);
        assert_same(&found, &expected, &format!("{}, random bytes at a time", case.what));
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) {
    fs::write(path, bytes).expect("a file");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

/// The owners and times that cases go through: the usual, and those that need extended headers.
fn owners() -> Vec<Shared> {
    let max = u32::MAX - 1;
    vec![
        usual(),
        shared(315_532_800, 1000, 1000, "user", "user"),
        shared(0, 0o7777777, 0o7777777, "", ""),
        shared(0o77777777777, 0o10000000, 0, "root", "root"),
        shared(0o100000000000, 0, 0o10000000, "root", "root"),
        shared(-1, max, max, &"u".repeat(32), &"g".repeat(33)),
        shared(i64::MAX, 1, 1, "jürgen", "группа"),
        shared(1, 0, 0, "\u{1f600}", &"é".repeat(40)),
    ]
}

#[test]
fn without_paths_the_layer_is_the_references_first_vector() {
    // V1 of the reference, made by CPython 3.9 to 3.14.
    let layer = Layer::of_store_paths(vec![], &[], Path::new("/nix/store"), &usual(), Vec::new());
    let bytes = read_all(&layer, &usual(), || 4096).expect("bytes");
    assert_eq!(bytes.len(), 10240);
    assert_eq!(Digest::of(&bytes).hex(), "51bd17f30e93810af6bf5676577745937afc69e167332e2b5d345b00a478c823");
}

#[test]
fn the_builder_gives_the_references_vectors_in_nix_store() {
    let demo = format!("/nix/store/{}-demo", "a".repeat(32));
    let long = "d".repeat(60);
    // V2, V3, V4: arguments, whether the long name is there, the diff ID that CPython 3.9 to 3.14 give.
    let vectors = [
        (json!({}), false, "ed4f10d523047ed1f896e4ce24ef67823ba539ca15debeeb056a8ff8514f6c23"),
        (
            json!({ "mtime": 315_532_800, "uid": 1000, "gid": 1000, "uname": "user", "gname": "user" }),
            false,
            "8e729755fc397b1d91404debafaa654c5609061e84b10836cf8a83e2ba645409",
        ),
        (json!({}), true, "3ddebb4be18c3f66067568671008f1f7a8534350065395f3911e6eecec0a20a4"),
    ];
    for (i, (arguments, with_long, digest)) in vectors.into_iter().enumerate() {
        let store = Store::new();
        let real = store.folder().join(format!("nix/store/{}-demo", "a".repeat(32)));
        fs::create_dir_all(real.join("bin")).expect("a directory");
        write(&real.join("bin/hi"), b"hi\n", 0o555);
        symlink("hi", real.join("bin/ln")).expect("a link");
        if with_long {
            write(&real.join(&long), b"", 0o444);
        }
        for directory in [real.join("bin"), real.clone()] {
            fs::set_permissions(directory, Permissions::from_mode(0o555)).expect("a mode");
        }
        let attributes = store.image("layout", &store.empty_root(), &[Path::new(&demo)], arguments);
        let out = store.folder().join("out");
        // In a private mount namespace our folder is /nix.
        let build = store.build(&attributes, &out);
        let script = r#"mkdir -p /nix; mount --bind "$0" /nix; exec "$@""#;
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-euc", script]).arg(store.folder().join("nix"));
        command.arg(build.get_program()).args(build.get_args()).env("NIX_STORE", "/nix/store");
        run(&mut command).ok();
        let shown = run(store.command().args(["inspect", "--json"]).arg(&out)).ok();
        let shown = support::json(&shown);
        assert_eq!(shown["layers"][0]["diffId"], format!("sha256:{digest}"), "V{}", i + 2);
        assert_eq!(shown["layers"][0]["size"], 10240);
        assert_eq!(shown["layers"][0]["paths"], json!([demo]));
    }
}

#[test]
fn names_of_every_length_and_encoding_are_as_in_python() {
    let folder = Folder::new();
    let store = folder.join("store");
    let top = store.join("00000000000000000000000000000000-names");
    fs::create_dir_all(&top).expect("a directory");
    let before = top.as_os_str().len() + 1;
    // Whole names of so many bytes: 100 fit, and a directory's slash counts.
    for length in [98, 99, 100, 101, 155, 156, 255, 256] {
        let rest = length - before;
        let mut name = vec![b'f'; rest];
        name[0] = b'0' + (length % 10) as u8;
        let (file, mut directory, mut link) = (name.clone(), name.clone(), name);
        directory[rest - 1] = b'd';
        link[rest - 1] = b'l';
        write(&top.join(from_bytes(&file)), b"x", 0o444);
        fs::create_dir(top.join(from_bytes(&directory))).expect("a directory");
        symlink("t", top.join(from_bytes(&link))).expect("a link");
    }
    let names: [&[u8]; 20] = [
        b"a",
        b"a-b",
        b"a.b",
        b"a b",
        b"new\nline",
        b"tab\tback\\slash",
        b"quote'\"",
        b"-dash",
        b".hidden",
        b"%41",
        b"=5 path=x",
        "\u{e9}".as_bytes(),
        "e\u{301}".as_bytes(),
        "\u{d7ff}".as_bytes(),
        "\u{e000}\u{fffd}".as_bytes(),
        "\u{1f600}".as_bytes(),
        b"\xff\xfe",
        b"\xed\xa0\x80 surrogate",
        b"cut \xe2\x82",
        b"\xc0\xaf overlong \xf5",
    ];
    for name in names {
        let path = top.join(from_bytes(name));
        fs::create_dir(&path).expect("a directory");
        // `a/x` comes before `a-b`, whatever the bytes say.
        write(&path.join("x"), name, 0o444);
        write(&top.join(from_bytes(&[b"z", name].concat())), b"", 0o444);
        symlink(from_bytes(name), top.join(from_bytes(&[name, b".link"].concat()))).expect("a link");
    }
    // 100 characters, but more bytes, and bytes that are no characters.
    write(&top.join("é".repeat(120)), b"", 0o444);
    write(&top.join(from_bytes(&[0xe9; 200])), b"", 0o444);
    write(&top.join(from_bytes(&[b'm'; 255])), b"", 0o444);
    let cases: Vec<Case> = owners()
        .into_iter()
        .map(|shared| Case { what: format!("{shared:?}"), paths: vec![top.clone()], shared })
        .collect();
    compare(&folder, &store, &cases);
}

#[test]
fn links_are_kept_as_they_are_and_never_followed() {
    let folder = Folder::new();
    let store = folder.join("store");
    let top = store.join("00000000000000000000000000000000-links");
    fs::create_dir_all(top.join("real/below")).expect("a directory");
    write(&top.join("real/below/file"), b"text", 0o444);
    let long: Vec<Vec<u8>> = [99, 100, 101, 255, 4095].iter().map(|&n| vec![b't'; n]).collect();
    let mut targets: Vec<&[u8]> = vec![
        b"/etc/passwd",
        b"/etc",
        b"/",
        b"..",
        b"../../..",
        b".",
        b"link05",
        b"link08",
        b"link07",
        b"nowhere",
        b"real",
        b"./real/",
        b"real//below/.",
        b"/proc/self/root",
        b"bytes \xff",
        "umlaut ä".as_bytes(),
        b"new\nline",
    ];
    targets.extend(long.iter().map(|target| &target[..]));
    for (i, target) in targets.iter().enumerate() {
        symlink(from_bytes(target), top.join(format!("link{i:02}"))).expect("a link");
    }
    let case = |what: &str, paths| Case { what: what.to_string(), paths, shared: usual() };
    compare(&folder, &store, &[case("links", vec![top])]);
}

#[test]
fn a_store_path_may_be_a_file_or_a_link() {
    let folder = Folder::new();
    let store = folder.join("store");
    fs::create_dir(&store).expect("a directory");
    let path = |name: &str| store.join(format!("00000000000000000000000000000000-{name}"));
    write(&path("file"), b"text\n", 0o444);
    write(&path("empty"), b"", 0o444);
    write(&path("script"), &[7; 512], 0o555);
    fs::create_dir(path("directory")).expect("a directory");
    symlink(path("directory"), path("link-to-directory")).expect("a link");
    symlink("/etc", path("link-out")).expect("a link");
    symlink("nowhere", path("dangling")).expect("a link");
    let all: Vec<PathBuf> =
        ["file", "empty", "script", "directory", "link-to-directory", "link-out", "dangling"]
            .map(path)
            .into();
    let mut cases: Vec<Case> = all
        .iter()
        .map(|path| Case { what: path.display().to_string(), paths: vec![path.clone()], shared: usual() })
        .collect();
    // In the order of the list, which is not the names'.
    cases.push(Case { what: "all".to_string(), paths: all.clone(), shared: usual() });
    cases.push(Case { what: "none".to_string(), paths: vec![], shared: usual() });
    compare(&folder, &store, &cases);
}

#[test]
fn modes_and_hard_links_are_as_in_python() {
    let folder = Folder::new();
    let store = folder.join("store");
    let top = store.join("00000000000000000000000000000000-modes");
    fs::create_dir_all(&top).expect("a directory");
    for mode in [0, 0o400, 0o444, 0o555, 0o644, 0o777, 0o1777, 0o2755, 0o4755, 0o7777] {
        write(&top.join(format!("file{mode:o}")), b"mode", mode);
        let directory = top.join(format!("dir{mode:o}"));
        fs::create_dir(&directory).expect("a directory");
        fs::set_permissions(directory, Permissions::from_mode(mode)).expect("a mode");
    }
    // Optimised stores have them within and across paths.
    let other = store.join("11111111111111111111111111111111-other");
    fs::create_dir(&other).expect("a directory");
    for name in ["a", "b"] {
        fs::hard_link(top.join("file444"), top.join(name)).expect("a hard link");
        fs::hard_link(top.join("file444"), other.join(name)).expect("a hard link");
    }
    symlink("a", top.join("link")).expect("a link");
    fs::hard_link(top.join("link"), top.join("same-link")).expect("a hard link");
    let case = |paths| Case { what: "modes".to_string(), paths, shared: usual() };
    compare(&folder, &store, &[case(vec![top, other])]);
}

#[test]
fn generated_trees_are_as_in_python() {
    let folder = Folder::new();
    let store = folder.join("store");
    let owners = owners();
    let mut random = Random(20_240_601);
    let mut cases = Vec::new();
    for i in 0..120 {
        let paths: Vec<PathBuf> =
            (0..random.below(4)).map(|j| store.join(format!("{i:032}-generated-{j}"))).collect();
        for path in &paths {
            fs::create_dir_all(path).expect("a directory");
            fill(path, &mut random, 0);
        }
        let shared = owners[random.below(owners.len())].clone();
        cases.push(Case { what: format!("tree {i}, {shared:?}"), paths, shared });
    }
    compare(&folder, &store, &cases);
}

/// Fills a directory with a few entries of any kind.
fn fill(directory: &Path, random: &mut Random, depth: usize) {
    let stems: [&[u8]; 12] = [
        b"a",
        b"a-",
        b"a.",
        b"a b",
        b"B",
        b"\xff",
        b"\xe9t\xe9",
        b"~",
        b"\n",
        "ß".as_bytes(),
        "\u{e000}".as_bytes(),
        "\u{1f980}".as_bytes(),
    ];
    for _ in 0..random.below(7) {
        let mut name = random.pick(&stems).to_vec();
        while random.one_in(2) {
            name.extend_from_slice(random.pick(&stems));
        }
        if random.one_in(6) {
            let length = 1 + random.below(120);
            name.resize(name.len() + length, b'n');
        }
        let path = directory.join(OsStr::from_bytes(&name));
        if fs::symlink_metadata(&path).is_ok() {
            continue;
        }
        match random.below(if depth < 5 { 8 } else { 5 }) {
            0 => {
                let length = 1 + random.below(250);
                let mut target = random.bytes(length);
                match random.one_in(3) {
                    true => target.iter_mut().for_each(|byte| *byte = (*byte).max(1)),
                    false => target.iter_mut().for_each(|byte| *byte = b'a' + *byte % 26),
                }
                symlink(from_bytes(&target), &path).expect("a link");
            }
            1..=4 => {
                let size = *random.pick(&[&0, &1, &511, &512, &513, &1024, &3000, &10240]);
                let mode = *random.pick(&[&0o444, &0o555, &0o4755]);
                let bytes = random.bytes(size);
                write(&path, &bytes, mode);
            }
            _ => {
                fs::create_dir(&path).expect("a directory");
                fill(&path, random, depth + 1);
            }
        }
    }
}

#[test]
fn deep_trees_need_no_file_descriptor_a_directory() {
    // Nix can make and send such a path: it is shorter than PATH_MAX, and it opens one directory at a time.
    // A builder has 1024 descriptors (setrlimit(2), systemd's default).
    let store = Store::new();
    let top = store.path("deep");
    fs::create_dir(&top).expect("a directory");
    let mut deep = top.clone();
    for _ in 0..1200 {
        deep.push("d");
        fs::create_dir(&deep).expect("a directory");
    }
    write(&deep.join("file"), b"at the bottom", 0o444);
    let expected = store.folder().join("expected");
    ask("layer", &json!([question(std::slice::from_ref(&top), &store.directory(), &usual(), &expected)]));
    let attributes = store.image("layout", &store.empty_root(), &[&top], json!({}));
    let out = store.folder().join("out");
    let build = store.build(&attributes, &out);
    let mut limited = Command::new("prlimit");
    limited.arg("--nofile=1024:1024").arg(build.get_program()).args(build.get_args());
    let ran = run(limited.env("NIX_STORE", store.directory()));
    output("rm", &["-rf", "--", top.to_str().expect("UTF-8")]);
    ran.ok();
    let digest = Digest::of(&fs::read(expected).expect("a file"));
    assert!(out.join("blobs/sha256").join(digest.hex()).exists());
}

#[test]
fn paths_beyond_path_max_are_as_in_python() {
    let folder = Folder::new();
    let store = folder.join("store");
    let top = store.join("00000000000000000000000000000000-deep");
    fs::create_dir_all(&top).expect("a directory");
    // 40 directories of 200 characters: twice PATH_MAX. No absolute path reaches the end.
    let script = "import os, sys\nos.chdir(sys.argv[1])\nfor i in range(40):\n  os.mkdir('%03d' % i + 'd' * 197)\n  os.chdir('%03d' % i + 'd' * 197)\nopen('file', 'w').write('far')";
    output("python3", &["-c", script, top.to_str().expect("UTF-8")]);
    let case = |paths| Case { what: "deep".to_string(), paths, shared: usual() };
    compare(&folder, &store, &[case(vec![top.clone()])]);
    output("rm", &["-rf", "--", top.to_str().expect("UTF-8")]);
}

#[test]
fn files_of_8_gib_and_more_have_a_pax_size() {
    let folder = Folder::new();
    let mut questions = Vec::new();
    let mut found = Vec::new();
    for size in [(8u64 << 30) - 1, 8 << 30, (8 << 30) + 1, 123 << 30] {
        let path = folder.join(format!("store/00000000000000000000000000000000-{size}"));
        fs::create_dir_all(path.parent().expect("a store")).expect("a directory");
        let file = File::create(&path).expect("a file");
        if file.set_len(size).is_err() {
            panic!("the file system of {} has no sparse files of {size} bytes", path.display());
        }
        fs::set_permissions(&path, Permissions::from_mode(0o444)).expect("a mode");
        let name = path.as_os_str().as_bytes();
        let hex: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        questions.push(json!({
            "header": { "name": hex, "mode": 0o444, "type": "file", "size": size, "target": "" },
            "mtime": 1, "uid": 0, "gid": 0, "uname": "root", "gname": "root",
        }));
        let mut header = Vec::new();
        usual().header(&Entry { name, mode: 0o444, kind: Kind::File(size) }, &mut header);
        // Measured without reading: header and data, up to the next block.
        let sizes = measure(&[&path], &usual(), 2).expect("a size");
        assert_eq!(sizes, [header.len() as u64 + size.div_ceil(512) * 512]);
        // And the layer begins with that header, after the directories that lead to it.
        let store = path.parent().expect("a store");
        let layer = layer(std::slice::from_ref(&path), store, &usual());
        let directories = store.ancestors().count() - 1;
        let mut beginning = vec![0; directories * 512 + header.len()];
        LayerReader::new(&layer, &usual()).read(&mut beginning).expect("bytes");
        assert_eq!(beginning[directories * 512..], header);
        assert!(layer.size > size && layer.size.is_multiple_of(10240) && layer.size - size < 40960);
        found.push(header.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    assert_eq!(json!(found), ask("layer", &questions.into()));
}

#[test]
fn archive_members_of_8_gib_and_more_are_read_by_python() {
    let folder = Folder::new();
    let owner = shared(1, 0, 0, "", "");
    for size in [0, 1, (8u64 << 30) - 1, 8 << 30, (8 << 30) + 1, 1 << 45, u64::MAX >> 2] {
        let name = format!("blobs/sha256/{}", "ab".repeat(32));
        let block = owner.one_block(&Entry { name: name.as_bytes(), mode: 0o644, kind: Kind::File(size) });
        let path = folder.write("header", block);
        let script = "import sys, tarfile\nt = tarfile.TarInfo.frombuf(open(sys.argv[1], 'rb').read(), 'utf-8', 'strict')\nprint(t.name, t.size, oct(t.mode), t.mtime, t.uid, t.gid, t.uname, t.gname, t.isreg())";
        let read = output("python3", &["-c", script, path.to_str().expect("UTF-8")]);
        assert_eq!(read, format!("{name} {size} 0o644 1 0 0   True"));
    }
}

#[test]
fn an_archive_lists_the_same_in_python_and_gnu_tar_and_is_the_same_again() {
    let store = Store::new();
    let paths = [
        store.add("one", &[("bin/one", "#!/bin/sh\n"), ("share/ä/text", "1"), ("lib/link", "-> ../bin/one")]),
        store.add("two", &[(&"n".repeat(200), "2"), ("empty/", "")]),
        store.add("three", &[("etc/three", &"3".repeat(100_000))]),
    ];
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    for compression in ["none", "gzip", "zstd"] {
        let arguments = json!({ "compression": compression });
        let attributes = store.image("archive", &store.empty_root(), &paths, arguments);
        let archive = store.folder().join(format!("{compression}.tar"));
        run(&mut store.build(&attributes, &archive)).ok();
        let again = store.folder().join(format!("{compression}-again.tar"));
        let command = store.build(&attributes, &again);
        // Nothing around the builder matters.
        let hostile = "umask 0777; exec setpriv --reuid 65534 --regid 65534 --clear-groups -- \"$@\"";
        fs::set_permissions(store.folder().path(), Permissions::from_mode(0o777)).expect("a mode");
        let mut other = Command::new("sh");
        other.args(["-euc", hostile, "sh"]).arg(command.get_program()).args(command.get_args());
        other.args(["--cores", "7"]).current_dir("/").env("NIX_STORE", store.directory());
        other.env("TZ", "Pacific/Apia").env("LC_ALL", "tr_TR.UTF-8").env("SOURCE_DATE_EPOCH", "12345");
        run(&mut other).ok();
        let bytes = fs::read(&archive).expect("the archive");
        assert_eq!(bytes.len() % 10240, 0);
        assert!(bytes == fs::read(&again).expect("the archive"), "{compression}: the second differs");

        let archive = archive.to_str().expect("UTF-8");
        let script = "import sys, tarfile\nfor t in tarfile.open(sys.argv[1], 'r:'):\n  print(t.name, t.size, oct(t.mode), t.mtime, t.uid, t.gid, repr(t.uname), t.type.decode())";
        let python = output("python3", &["-c", script, archive]);
        let mut seen = Vec::new();
        for line in python.lines() {
            let [name, size, rest] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            match name.starts_with("blobs/sha256/") || !name.starts_with("blobs") {
                true if name != "blobs/sha256" => assert_eq!(rest, "0o644 1 0 0 '' 0", "{line}"),
                _ => assert_eq!(rest, "0o755 1 0 0 '' 5", "{line}"),
            }
            seen.push((name.to_string(), size.to_string()));
        }
        let gnu = run(Command::new("tar")
            .args(["--list", "--verbose", "--numeric-owner", "--utc", "--full-time"])
            .args(["--file", archive]));
        assert_eq!(gnu.stderr, "", "GNU tar has nothing to say");
        let listed: Vec<(String, String)> = gnu
            .ok()
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let [_, "0/0", size, "1970-01-01", "00:00:01", name] = fields[..] else { panic!("{line}") };
                (name.trim_end_matches('/').to_string(), size.to_string())
            })
            .collect();
        assert_eq!(listed, seen, "{compression}");
        // Four layers, configuration, manifest, two directories, three documents; all named once.
        assert_eq!(seen.len(), 11, "{seen:?}");
        // Each blob is what its name says.
        let blobs = store.folder().join(format!("{compression}-blobs"));
        fs::create_dir(&blobs).expect("a directory");
        output("tar", &["--extract", "--file", archive, "--directory", blobs.to_str().expect("UTF-8")]);
        for (name, _) in seen.iter().filter(|(name, _)| name.len() > 20) {
            let sum = output("sha256sum", &[blobs.join(name).to_str().expect("UTF-8")]);
            assert_eq!(sum[..64], name["blobs/sha256/".len()..]);
        }
    }
}

/// A sink that keeps each blob in a file of its own.
struct Files {
    folder: Folder,
    opened: usize,
    closed: Vec<(PathBuf, Digest, u64)>,
    sizes: Vec<Option<u64>>,
}

impl Files {
    fn new() -> Files {
        Files { folder: Folder::new(), opened: 0, closed: Vec::new(), sizes: Vec::new() }
    }
}

impl BlobSink for Files {
    fn open(&mut self, size: Option<u64>) -> Result<Slot, LayerError> {
        let path = self.folder.join(self.opened.to_string());
        self.opened += 1;
        self.sizes.push(size);
        let file = File::create_new(&path).map_err(|e| LayerError::io(&path, e))?;
        // Some bytes in front: a blob begins where the slot says.
        file.write_all_at(b"before", 0).map_err(|e| LayerError::io(&path, e))?;
        Ok(Slot { file: Arc::new(file), offset: 6, path })
    }

    fn close(&mut self, slot: Slot, digest: Digest, size: u64) -> Result<(), LayerError> {
        self.closed.push((slot.path, digest, size));
        Ok(())
    }
}

/// What the field's own program makes of a blob.
fn decompressed(compression: Compression, blob: &[u8], folder: &Folder) -> Vec<u8> {
    match compression {
        Compression::None => blob.to_vec(),
        Compression::Gzip(_) => {
            let mut plain = Vec::new();
            flate2::bufread::MultiGzDecoder::new(blob).read_to_end(&mut plain).expect("gzip");
            plain
        }
        Compression::Zstd(_) => {
            let packed = folder.write("blob.zst", blob);
            let zstd =
                Command::new("zstd").args(["-q", "-d", "-c"]).arg(packed).stderr(Stdio::inherit()).output();
            let zstd = zstd.expect("zstd");
            assert!(zstd.status.success());
            zstd.stdout
        }
    }
}

#[test]
fn blobs_depend_on_layers_and_codec_but_not_on_threads() {
    let folder = Folder::new();
    let mut random = Random(3);
    // Sizes around what a compressor might take at a time (any power of two from 64 kB to 2 MiB).
    let mut layers = Vec::new();
    let mut contents = Vec::new();
    for size in [
        1usize,
        65_535,
        1 << 16,
        524_287,
        1 << 19,
        524_289,
        1 << 20,
        (2 << 20) - 1,
        2 << 20,
        (2 << 20) + 1,
        5 << 20,
    ] {
        // Half noise, half zeros.
        let mut bytes = random.bytes(size / 2);
        bytes.resize(size, 0);
        let path = folder.write(&format!("layer-{size}"), &bytes);
        layers.push(Layer::of_tar(&path, size as u64, Digest::of(&bytes)));
        contents.push(bytes);
    }
    let shared = usual();
    for compression in [Compression::None, Compression::Gzip(1), Compression::Gzip(6), Compression::Zstd(3)] {
        let mut first: Option<(Vec<Blob>, Vec<Vec<u8>>)> = None;
        for threads in [1, 2, 3, 8] {
            let mut sink = Files::new();
            let blobs =
                write_layers(&layers, &shared, compression, threads, &mut sink, &Silent).expect("blobs");
            assert_eq!(blobs.len(), layers.len());
            assert_eq!(sink.closed.len(), layers.len());
            let mut bytes = Vec::new();
            for (i, (blob, content)) in blobs.iter().zip(&contents).enumerate() {
                let (path, digest, size) = &sink.closed[i];
                let file = fs::read(path).expect("a blob");
                assert_eq!(file[..6], *b"before");
                assert_eq!((*digest, *size), (blob.digest, blob.size));
                assert_eq!(file.len() as u64 - 6, blob.size);
                assert_eq!(Digest::of(&file[6..]), blob.digest);
                assert_eq!(Digest::of(content), blob.diff_id);
                match compression {
                    Compression::None => assert_eq!(sink.sizes[i], Some(blob.size)),
                    _ => assert_eq!(sink.sizes[i], None),
                }
                bytes.push(file);
            }
            match &first {
                None => {
                    for (file, content) in bytes.iter().zip(&contents) {
                        let plain = decompressed(compression, &file[6..], &folder);
                        assert!(plain == *content, "{compression:?}, {} bytes", content.len());
                    }
                    first = Some((blobs, bytes));
                }
                Some(first) => {
                    assert_eq!(first.0, blobs, "{compression:?}, {threads} threads");
                    assert!(first.1 == bytes, "{compression:?}, {threads} threads");
                }
            }
        }
    }
}

#[test]
fn a_blob_is_compressed_with_nothing_of_the_machine_in_it() {
    // RFC 1952: a name, a comment, a time and the system would be in the member's header.
    let folder = Folder::new();
    let path = folder.write("layer", [0; 10240]);
    let layers = [Layer::of_tar(&path, 10240, Digest::of(&[0; 10240]))];
    let mut sink = Files::new();
    write_layers(&layers, &usual(), Compression::Gzip(9), 2, &mut sink, &Silent).expect("blobs");
    let blob = fs::read(&sink.closed[0].0).expect("a blob");
    assert_eq!(blob[6..9], [0x1f, 0x8b, 8]);
    assert_eq!(blob[9], 0, "no flags");
    assert_eq!(blob[10..14], [0; 4], "no time");
    assert_eq!(blob[15], 255, "no system");
}

#[test]
fn a_tampered_layer_file_is_refused_with_both_digests() {
    let folder = Folder::new();
    let path = folder.write("layer.tar", [1; 10240]);
    for compression in [Compression::None, Compression::Gzip(6), Compression::Zstd(3)] {
        let layers = [Layer::of_tar(&path, 10240, Digest::of(&[0; 10240]))];
        let error = write_layers(&layers, &usual(), compression, 2, &mut Files::new(), &Silent).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, LayerError::Digest { .. }), "{text}");
        for part in
            [path.to_str().expect("UTF-8"), &Digest::of(&[1; 10240]).hex(), &Digest::of(&[0; 10240]).hex()]
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        let layers = [Layer::of_tar(&path, 10241, Digest::of(&[1; 10240]))];
        let error = write_layers(&layers, &usual(), compression, 2, &mut Files::new(), &Silent).unwrap_err();
        assert!(matches!(&error, LayerError::Changed(changed) if *changed == path), "{error}");
    }
}

/// Stops after so many bytes.
struct StopAfter(std::sync::atomic::AtomicI64);

impl Progress for StopAfter {
    fn layer(&self, _index: usize, _count: usize) {}
    fn bytes(&self, count: u64) {
        self.0.fetch_sub(count as i64, std::sync::atomic::Ordering::Relaxed);
    }
    fn cancelled(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed) < 0
    }
}

#[test]
fn writing_stops_when_it_is_told_to() {
    let folder = Folder::new();
    let path = folder.join("layer");
    File::create(&path).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
    let layers = vec![Layer::of_tar(&path, 1 << 40, Digest::of(b"")); 3];
    for compression in [Compression::None, Compression::Gzip(1), Compression::Zstd(1)] {
        let stop = StopAfter((8 << 20).into());
        let error = write_layers(&layers, &usual(), compression, 3, &mut Files::new(), &stop).unwrap_err();
        assert!(matches!(error, LayerError::Interrupted), "{compression:?}: {error}");
    }
}

#[test]
fn what_changes_while_it_is_read_is_an_error_that_names_it() {
    type Change = fn(&Path);
    let changes: [(&str, &str, Change); 9] = [
        ("grows", "b/file", |top| write(&top.join("b/file"), &[1; 2000], 0o444)),
        ("shrinks", "", |top| write(&top.join("b/file"), b"", 0o444)),
        ("vanishes", "", |top| fs::remove_file(top.join("b/file")).expect("a file")),
        ("directory vanishes", "", |top| fs::remove_dir_all(top.join("b")).expect("a directory")),
        ("appears", "", |top| write(&top.join("b/g"), b"", 0o444)),
        ("all vanishes", "", |top| fs::remove_dir_all(top).expect("a directory")),
        ("becomes a FIFO", "b/file", |top| {
            fs::remove_file(top.join("b/file")).expect("a file");
            output("mkfifo", &[top.join("b/file").to_str().expect("UTF-8")]);
        }),
        ("becomes a directory", "", |top| {
            fs::remove_file(top.join("b/file")).expect("a file");
            fs::create_dir(top.join("b/file")).expect("a directory");
        }),
        ("link grows", "c", |top| {
            fs::remove_file(top.join("c")).expect("a link");
            symlink("x".repeat(300), top.join("c")).expect("a link");
        }),
    ];
    for (what, named, change) in changes {
        for compression in [Compression::None, Compression::Gzip(1)] {
            let folder = Folder::new();
            let top = folder.join("store/00000000000000000000000000000000-changing");
            fs::create_dir_all(top.join("b")).expect("a directory");
            write(&top.join("a"), &[1; 600], 0o444);
            write(&top.join("b/file"), &[2; 1000], 0o444);
            symlink("x", top.join("c")).expect("a link");
            let layer = layer(std::slice::from_ref(&top), &folder.join("store"), &usual());
            change(&top);
            let layers = [layer];
            let error =
                write_layers(&layers, &usual(), compression, 2, &mut Files::new(), &Silent).expect_err(what);
            let text = error.to_string();
            let expected = top.join(named);
            assert!(text.contains(expected.to_str().expect("UTF-8").trim_end_matches('/')), "{what}: {text}");
            match error {
                LayerError::Io { .. } | LayerError::Changed(_) | LayerError::Special { .. } => {}
                other => panic!("{what}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_file_cut_while_it_is_being_read_is_an_error_that_names_it() {
    let folder = Folder::new();
    let top = folder.join("store/00000000000000000000000000000000-big");
    fs::create_dir_all(&top).expect("a directory");
    let file = top.join("file");
    write(&file, &[5; 3_000_000], 0o444);
    let layer = layer(&[top], &folder.join("store"), &usual());
    let shared = usual();
    let mut reader = LayerReader::new(&layer, &shared);
    let mut buffer = vec![0; 100_000];
    assert_eq!(reader.read(&mut buffer).expect("bytes"), buffer.len());
    File::options().write(true).open(&file).and_then(|file| file.set_len(150_000)).expect("a shorter file");
    let error = loop {
        match reader.read(&mut buffer) {
            Ok(n) => assert_eq!(n, buffer.len(), "the layer ended as if nothing were wrong"),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, LayerError::Changed(changed) if *changed == file), "{error}");
}

#[test]
fn an_archive_ends_with_two_blocks_and_whole_records() {
    // pax(1): two blocks of zeros; tarfile and GNU tar: up to a multiple of 20 blocks.
    for size in [0, 512, 9216, 9728, 10240, 10752, 19456, 512 * 12345] {
        let end = size + tar::end_of_archive(size);
        assert!(
            end.is_multiple_of(10240)
                && tar::end_of_archive(size) >= 1024
                && tar::end_of_archive(size) < 11264,
            "{size}"
        );
    }
    assert_eq!([0, 1, 511, 512, 513].map(tar::padding), [0, 511, 1, 0, 511]);
}
