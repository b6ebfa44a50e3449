//! Standard output that is closed, full, or a pipe whose reader has gone: one rule for every command.

mod support;

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;
use support::{MadeImages, MadeLayer, Ran, Registry, Store, gantry, run};

/// Commands that print a text, and those that send a tar.
struct World {
    _registry: Registry,
    images: MadeImages,
    store: Store,
    texts: Vec<Vec<String>>,
    tars: Vec<Vec<String>>,
}

impl World {
    fn new() -> World {
        let (registry, images, store) = (Registry::start(), MadeImages::new(), Store::new());
        let layers = [MadeLayer::file("etc/a", "a")];
        let image = images.image("linux/amd64", &layers, json!({}));
        images.push(&registry.host(), "1", image, &[]);
        let stream = store.folder().join("stream");
        run(&mut store.build(&store.image("stream", &store.empty_root(), &[], json!({})), &stream)).ok();
        let (image, stream) = (path(images.folder.path().into()), path(stream));
        let reference = format!("docker://{}/team/app:1", registry.host());
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_string()).collect::<Vec<_>>();
        let texts = vec![
            words(&["inspect", &image]),
            words(&["inspect", "--json", &image]),
            words(&["inspect", "--no-tls-verify", &reference]),
            words(&["prefetch", "--no-tls-verify", &reference]),
            words(&["completions", "bash"]),
            words(&["doctor", "--nix", "/bin/true"]),
        ];
        let tars = vec![words(&["export", &image]), words(&["stream", &stream])];
        World { _registry: registry, images, store, texts, tars }
    }

    fn run(&self, arguments: &[String], stdout: impl Into<Stdio>) -> Ran {
        let mut command = Command::new(gantry());
        command.args(arguments).stdout(stdout.into()).stderr(Stdio::piped());
        command.env("HOME", self.images.folder.path()).env("NIX_STORE", self.store.directory());
        // Without programs that doctor would ask.
        command.env("PATH", "/nonexistent");
        let output = command.spawn().expect("gantry").wait_with_output().expect("an end");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ran { code: output.status.code(), stdout: String::new(), stderr }
    }
}

fn path(path: PathBuf) -> String {
    path.display().to_string()
}

/// What a command ends with that has nothing to complain of: `doctor` complains of this machine.
fn success(arguments: &[String]) -> i32 {
    i32::from(arguments[0] == "doctor")
}

#[test]
fn what_was_closed_before_the_command_began_is_an_error() {
    let world = World::new();
    for arguments in world.texts.iter().chain(&world.tars) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exec \"$0\" \"$@\" >&-"]).arg(gantry()).args(arguments);
        let ran =
            run(command.env("HOME", world.images.folder.path()).env("NIX_STORE", world.store.directory()));
        let expected = "error: standard output is closed; send it to a file or to a program\n";
        assert_eq!((ran.code, &ran.stderr[..]), (Some(1), expected), "{arguments:?}");
    }
}

#[test]
fn a_file_that_throws_output_away_is_no_error() {
    let world = World::new();
    for arguments in world.texts.iter().chain(&world.tars) {
        // Open to read and write, as Python's subprocess.DEVNULL is and as the standard library opens what was closed.
        let null = OpenOptions::new().read(true).write(true).open("/dev/null").expect("a device");
        let ran = world.run(arguments, null);
        assert_eq!((ran.code, &ran.stderr[..]), (Some(success(arguments)), ""), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_has_gone_has_seen_enough_of_a_text_and_too_little_of_a_tar() {
    let world = World::new();
    let gone = || std::io::pipe().expect("a pipe").1;
    for arguments in &world.texts {
        let ran = world.run(arguments, gone());
        assert_eq!((ran.code, &ran.stderr[..]), (Some(success(arguments)), ""), "{arguments:?}");
    }
    for arguments in &world.tars {
        let ran = world.run(arguments, gone());
        assert_eq!(ran.code, Some(1), "{arguments:?}");
        assert!(ran.stderr.contains("standard output: Broken pipe"), "{}", ran.stderr);
    }
}

#[test]
fn a_full_disk_is_an_error_that_names_standard_output() {
    let world = World::new();
    for arguments in world.texts.iter().chain(&world.tars) {
        let ran = world.run(arguments, File::options().write(true).open("/dev/full").expect("a device"));
        assert_eq!(ran.code, Some(1), "{arguments:?}");
        assert!(
            ran.stderr.contains("standard output: No space left on device"),
            "{arguments:?} {}",
            ran.stderr
        );
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
}
