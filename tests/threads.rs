//! Where threads cannot be started, work goes on with those that there are, or ends with one clear line. strace(1) makes
//! clone fail; a user's limit of processes does the same.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::{MadeImages, MadeLayer, Ran, Registry, Store, gantry, run};

const REFUSED: &str = "error: cannot start a thread: Resource temporarily unavailable (os error 11); raise the limit of processes \
                       (ulimit -u, or pids.max of the cgroup)";

/// The command, in a process that gets no thread, or only the first so many.
fn limited(command: &Command, threads: usize) -> Command {
    let mut limited = Command::new("strace");
    let injection = format!("inject=?clone,?clone3:error=EAGAIN:when={}+", threads + 1);
    limited.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=?clone,?clone3", "-e", &injection]);
    limited.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

#[track_caller]
fn assert_is_refused(ran: Ran) {
    assert_eq!((ran.code, ran.stderr.trim_end()), (Some(1), REFUSED));
}

fn image(store: &Store, format: &str, compression: &str) -> Value {
    let paths = [store.add("a", &[("file", "a")]), store.add("b", &[("file", "b"), ("bin/b", "b")])];
    let paths: Vec<&Path> = paths.iter().map(std::path::PathBuf::as_path).collect();
    store.image(format, &store.empty_root(), &paths, json!({ "compression": compression }))
}

/// Like [`Store::build`], without another program before gantry.
fn build(store: &Store, attributes: &Value, out: &Path) -> Command {
    let attrs = store.folder().write("attrs.json", attributes.to_string());
    let mut command = Command::new(gantry());
    command.args(["build", "--cores", "4", "--attrs"]).arg(attrs).arg("--out").arg(out);
    command.env("NIX_STORE", store.directory()).env_remove("NIX_BUILD_TOP");
    command
}

#[test]
fn plain_layers_are_written_by_the_one_thread_that_there_is() {
    let store = Store::new();
    let attributes = image(&store, "archive", "none");
    let [usual, alone] = ["usual", "alone"].map(|name| store.folder().join(name));
    run(&mut store.build(&attributes, &usual)).ok();
    run(&mut limited(&build(&store, &attributes, &alone), 0)).ok();
    assert_eq!(fs::read(usual).expect("an archive"), fs::read(alone).expect("an archive"));
}

#[test]
fn compression_and_streams_say_that_they_need_threads() {
    let store = Store::new();
    let compressed = image(&store, "archive", "gzip");
    let out = store.folder().join("out");
    let stream = store.folder().join("stream");
    run(&mut store.build(&image(&store, "stream", "none"), &stream)).ok();
    for threads in [0, 1] {
        assert_is_refused(run(&mut limited(&build(&store, &compressed, &out), threads)));
        assert!(!out.exists());
        let mut send = Command::new(gantry());
        assert_is_refused(run(&mut limited(send.arg("stream").arg(&stream), threads)));
    }
}

#[test]
fn commands_that_ask_registries_say_that_they_need_threads() {
    let (registry, images) = (Registry::start(), MadeImages::new());
    let layers = [MadeLayer::file("a", "a"), MadeLayer::file("b", "b")];
    images.push(&registry.host(), "1", images.image("linux/amd64", &layers, json!({})), &[]);
    let reference = format!("docker://{}/team/app:1", registry.host());
    let out = images.folder.join("out");
    // One is for Ctrl-C, the second resolves the registry's name.
    for threads in [0, 1] {
        for command in [&["prefetch"][..], &["inspect"], &["pull"], &["pull", "--format", "docker-archive"]] {
            let mut program = Command::new(gantry());
            program.args(command).arg("--no-tls-verify").arg(&reference);
            if command[0] == "pull" {
                program.arg(&out);
            }
            let ran = run(limited(&program, threads).env("HOME", images.folder.path()));
            assert_eq!((ran.code, ran.stderr.lines().count()), (Some(1), 1), "{command:?} {ran:?}");
            assert!(ran.stderr.contains(&REFUSED["error: ".len()..]), "{command:?} {threads} {}", ran.stderr);
            assert!(!out.exists());
        }
    }
}

#[test]
fn doctor_reports_what_it_cannot_ask() {
    for threads in [0, 1, 2] {
        let mut doctor = Command::new(gantry());
        let ran = run(&mut limited(doctor.args(["doctor", "--json"]), threads));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""), "{threads}");
        assert!(ran.stdout.contains("Resource temporarily unavailable"), "{}", ran.stdout);
    }
}

#[test]
fn a_users_limit_of_processes_is_an_error_too() {
    let store = Store::new();
    let attributes = image(&store, "archive", "zstd");
    let program = store.folder().join("gantry");
    fs::copy(gantry(), &program).expect("a copy");
    fs::set_permissions(store.folder().path(), Permissions::from_mode(0o777)).expect("a mode");
    let attrs = store.folder().write("attrs.json", attributes.to_string());
    // A user that has no other processes.
    let user = (1_000_000 + std::process::id()).to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "prlimit", "--nproc=1"]);
    command.arg(&program).args(["build", "--attrs"]).arg(attrs).arg("--out").arg(store.folder().join("out"));
    assert_is_refused(run(command.env("NIX_STORE", store.directory()).env_remove("NIX_BUILD_TOP")));
}
