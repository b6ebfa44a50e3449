//! Outputs appear whole or not at all, whatever the system does meanwhile: limits of file sizes, a process that is
//! killed, a file system with few abilities, a disk that fails. strace(1) makes system calls fail.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use support::{Folder, MadeImages, MadeLayer, Ran, Scripts, gantry, listing, run, tar};

/// An image of one layer with 300 kB of text; beside it, directories for outputs and for temporary files.
struct World {
    images: MadeImages,
    folder: Folder,
}

impl World {
    fn new() -> World {
        let (images, folder) = (MadeImages::new(), Folder::new());
        let text: String = (0..50_000).map(|i| format!("{i} ")).collect();
        let layer = MadeLayer::gzip(&tar(&[("etc/long", text.as_bytes())]));
        images.tag("test:1", images.image("linux/amd64", &[layer], json!({})));
        for name in ["out", "tmp"] {
            fs::create_dir(folder.join(name)).expect("a directory");
        }
        World { images, folder }
    }

    fn out(&self) -> PathBuf {
        self.folder.join("out/file")
    }

    /// Writes the image's archive below `wrapper`, a program with arguments.
    fn merge(&self, wrapper: &[&str]) -> Ran {
        self.gantry(wrapper, &["merge", "--output", &self.out().display().to_string()])
    }

    /// `gantry` with arguments, of which the image is the last.
    fn gantry(&self, wrapper: &[&str], arguments: &[&str]) -> Ran {
        let mut command = Command::new(wrapper.first().copied().unwrap_or("env"));
        command.args(wrapper.iter().skip(1)).arg(gantry()).args(arguments).arg(self.images.folder.path());
        run(command.env("TMPDIR", self.folder.join("tmp")))
    }

    /// A layout of two copies of the image, which is a directory.
    fn index(&self, wrapper: &[&str]) -> Ran {
        let image = self.images.folder.path();
        let arguments = json!({ "name": "test", "tag": "1", "manifests": [image] });
        let attributes = json!({ "gantry": { "kind": "index", "arguments": arguments, "format": "layout" } });
        let attrs = self.folder.write("attrs.json", attributes.to_string());
        let mut command = Command::new(wrapper.first().copied().unwrap_or("env"));
        command.args(wrapper.iter().skip(1)).arg(gantry()).args(["build", "--attrs"]).arg(attrs);
        run(command.arg("--out").arg(self.out()).env("TMPDIR", self.folder.join("tmp")))
    }

    #[track_caller]
    fn assert_nothing_is_left(&self) {
        for name in ["out", "tmp"] {
            assert_eq!(listing(&self.folder.join(name)), [""; 0]);
        }
    }
}

/// strace with an injection, and its log.
fn strace<'a>(log: &'a str, injection: &'a str) -> Vec<&'a str> {
    vec!["strace", "-f", "-qq", "-o", log, "-e", "trace=file,desc", "-e", injection]
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_file_beyond_the_size_limit_is_an_error_that_names_it() {
    let world = World::new();
    let out = world.out().display().to_string();
    let limit = ["prlimit", "--fsize=100000"];
    for ran in [
        world.merge(&limit),
        world.gantry(&limit, &["export", "--output", &out]),
        world.gantry(&limit, &["merge", "--compressor", "gz", "--output", &out]),
    ] {
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("File too large"), "{}", ran.stderr);
        assert!(ran.stderr.contains("/gantry-test-"), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        world.assert_nothing_is_left();
    }
}

#[test]
fn scripts_have_the_default_action_of_the_size_limit() {
    let scripts = Scripts::new();
    // 153 is 128 and SIGXFSZ; dd reports an error and ends with 1 where the signal is ignored.
    let script =
        "(ulimit -f 1; dd if=/dev/zero of=big bs=1000 count=1000) || test $? = 153; rm big; echo x > made";
    let tree = scripts.tree(json!({ "extraCommands": script }), "out");
    assert_eq!(
        tree.keys().collect::<Vec<_>>(),
        [".", "made"].map(|name| tree.get_key_value(name).expect(name).0)
    );
}

#[test]
fn nothing_is_left_of_a_file_whose_writer_is_killed() {
    let world = World::new();
    let log = world.folder.join("log");
    let killed = world.merge(&strace(text(&log), "inject=pwrite64:signal=SIGKILL:when=2"));
    assert_eq!(killed.code, None, "{killed:?}");
    world.assert_nothing_is_left();
}

#[test]
fn a_file_system_without_nameless_files_and_exclusive_renames_is_enough() {
    let world = World::new();
    let log = world.folder.join("log");
    world.merge(&[]).ok();
    let expected = fs::read(world.out()).expect("an archive");
    fs::remove_file(world.out()).expect("a file");
    // The first call with exactly this path is the one without a name; the second syncs the directory.
    let out = world.folder.join("out");
    let call = if cfg!(target_arch = "x86_64") { "open" } else { "openat" };
    let injection = format!("inject={call}:error=EOPNOTSUPP:when=1");
    let mut wrapper = strace(text(&log), &injection);
    wrapper.extend(["-e", "inject=renameat2:error=EINVAL", "-P", text(&out)]);
    world.merge(&wrapper).ok();
    let calls = fs::read_to_string(&log).expect("a log");
    assert!(calls.contains("O_TMPFILE, 0600) = -1 EOPNOTSUPP"), "{calls}");
    assert_eq!(fs::read(world.out()).expect("an archive"), expected);
    assert_eq!(listing(&out).len(), 1, "{:?}", listing(&out));

    fs::remove_file(world.out()).expect("a file");
    world.index(&strace(text(&log), "inject=renameat2:error=EINVAL:when=1")).ok();
    let calls = fs::read_to_string(&log).expect("a log");
    assert!(calls.contains("RENAME_NOREPLACE) = -1 EINVAL"), "{calls}");
    assert!(world.out().join("index.json").is_file());
    assert_eq!(fs::read_dir(out).expect("a directory").count(), 1);
}

#[test]
fn outputs_are_on_the_disk_before_they_have_their_names() {
    let world = World::new();
    let log = world.folder.join("log");
    let synced = |ran: Ran| {
        ran.ok();
        let calls = fs::read_to_string(&log).expect("a log");
        let interesting = ["fsync(", "linkat(", "renameat2(", "rename("];
        let name = |line: &str| {
            interesting.iter().find(|name| line.contains(**name)).map(|name| (*name).to_string())
        };
        calls.lines().filter_map(name).collect::<Vec<_>>()
    };
    assert_eq!(synced(world.merge(&strace(text(&log), "trace=all"))), ["fsync(", "linkat(", "fsync("]);
    fs::remove_file(world.out()).expect("a file");
    let calls = synced(world.index(&strace(text(&log), "trace=all")));
    let moved = calls.iter().position(|call| call == "renameat2(").expect("a rename");
    // Of files: the layer, the configuration, the manifest, the index, index.json, oci-layout; of directories:
    // blobs/sha256, blobs, the output.
    assert_eq!(calls[..moved].iter().filter(|call| *call == "fsync(").count(), 9, "{calls:?}");
    assert_eq!(calls[moved + 1..], ["fsync("]);
}

#[test]
fn what_cannot_be_brought_to_the_disk_is_an_error_and_no_output() {
    let world = World::new();
    let log = world.folder.join("log");
    for when in 1..=2 {
        let injection = format!("inject=fsync:error=EIO:when={when}");
        let error = world.merge(&strace(text(&log), &injection)).err();
        let expected =
            format!("error: cannot write {}: Input/output error (os error 5)\n", world.out().display());
        assert_eq!(error, expected);
        world.assert_nothing_is_left();
    }
    for when in [1, 9, 10] {
        let injection = format!("inject=fsync:error=EIO:when={when}");
        let error = world.index(&strace(text(&log), &injection)).err();
        assert!(error.contains(text(&world.out())) && !error.contains(".gantry-"), "{error}");
        world.assert_nothing_is_left();
    }
}

#[test]
fn builders_outputs_in_the_store_are_left_to_nix() {
    let world = World::new();
    let log = world.folder.join("log");
    let attributes = json!({
        "gantry": { "kind": "export", "image": world.images.folder.path() },
        "outputs": { "out": world.out() },
    });
    let attrs = world.folder.write("attrs.json", attributes.to_string());
    let log_path = log.display().to_string();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", &log_path, "-e", "trace=fsync,fdatasync,linkat,unlink"]);
    run(command.arg(gantry()).args(["build", "--attrs"]).arg(attrs).env_remove("NIX_LOG_FD")).ok();
    assert_eq!(fs::read_to_string(&log).expect("a log"), "");
    assert!(world.out().is_file());
}

#[test]
fn a_temporary_directory_that_cannot_be_removed_is_named_in_a_warning() {
    let world = World::new();
    let log = world.folder.join("log");
    // An output that fails, and whose directory cannot be removed, either.
    let mut wrapper = strace(text(&log), "inject=fsync:error=EIO:when=1");
    wrapper.extend(["-e", "inject=unlinkat,rmdir:error=EROFS"]);
    let error = world.index(&wrapper).err();
    let lines: Vec<&str> = error.lines().collect();
    let left =
        fs::read_dir(world.folder.join("out")).expect("a directory").next().expect("one").expect("an entry");
    let warning = format!("warning: cannot remove {}: Read-only file system", left.path().display());
    assert!(lines[0].starts_with(&warning), "{error}");
    assert!(lines[1].starts_with("error: cannot write"), "{error}");
}
