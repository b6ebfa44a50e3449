//! A second witness for every image that a test makes: skopeo reads it, and its documents are valid by the JSON
//! schemas of the OCI image-spec. [`super::run`], [`super::Nix::built`] and [`super::look`] call it, so that no test
//! has to.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

/// The schemas, of Debian's golang-github-opencontainers-image-spec-dev.
const SCHEMAS: &str = "/usr/share/gocode/src/github.com/opencontainers/image-spec/schema";

/// Processes that wait for a path: starting one takes longer than a look. They end with the test binary.
static WAITING: Mutex<Vec<Process>> = Mutex::new(Vec::new());

struct Process {
    // Kept so that it is this process's child until the end.
    _child: Child,
    paths: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    fn start() -> Process {
        assert!(Path::new(SCHEMAS).join("config-schema.json").exists(), "tests/setup installs the schemas");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/witness");
        let mut child = Command::new(script)
            .arg(SCHEMAS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3; tests/setup installs it");
        let paths = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Process { _child: child, paths, answers }
    }

    fn ask(&mut self, path: &Path) -> String {
        let mut answer = String::new();
        writeln!(self.paths, "{}", path.display()).expect("a witness");
        self.answers.read_line(&mut answer).expect("an answer");
        answer.trim_end().to_string()
    }
}

/// What is wrong with the image at `path`; nothing if there is no image.
pub fn testimony(path: &Path) -> Result<(), String> {
    let waiting = WAITING.lock().expect("a list").pop();
    let mut process = waiting.unwrap_or_else(Process::start);
    let answer = process.ask(path);
    WAITING.lock().expect("a list").push(process);
    match answer.as_str() {
        "ok" => Ok(()),
        wrong => Err(wrong.to_string()),
    }
}

/// Fails the test if what is at `path` is an image that the witness refuses.
#[track_caller]
pub fn witness(path: &Path) {
    if let Err(wrong) = testimony(path) {
        panic!("{}: {wrong}", path.display());
    }
}

/// Witnesses what a `gantry` command has made.
#[track_caller]
pub fn witness_command(command: &Command) {
    let mut arguments = [command.get_program()].into_iter().chain(command.get_args());
    if !arguments.any(|argument| Path::new(argument).ends_with("bin/gantry")) {
        return;
    }
    let is_option = |name: &&OsStr| ["--out", "--output", "-o"].map(OsStr::new).contains(name);
    let outputs: Vec<&OsStr> = match arguments.next().and_then(OsStr::to_str) {
        Some("build" | "merge") => arguments.skip_while(|name| !is_option(name)).skip(1).take(1).collect(),
        // Of all its arguments, only the output can be a path that is an image.
        Some("pull") => arguments.collect(),
        _ => return,
    };
    let directory = command.get_current_dir().unwrap_or(Path::new("."));
    for path in outputs.into_iter().map(|path| directory.join(path)).filter(|path| path.exists()) {
        witness(&path);
    }
}
