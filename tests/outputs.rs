//! Outputs appear whole or not at all, whatever the system does meanwhile: limits of file sizes, a process that is
//! killed, a file system with few abilities, a disk that fails. strace(1) makes system calls fail.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use support::{Folder, MadeImages, MadeLayer, Ran, gantry, listing, run, tar};

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
