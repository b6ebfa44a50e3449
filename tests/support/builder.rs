//! The builder by hand: a store directory of our own, and `gantry build` on attributes as Nix would write
//! them (nix/oci-image.nix makes the real ones). No Nix is involved.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{Folder, Ran, gantry, run};

/// Every attributes file has a name of its own.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// A directory that stands for `/nix/store`.
pub struct Store {
    folder: Folder,
}

impl Store {
    pub fn new() -> Store {
        let folder = Folder::new();
        fs::create_dir(folder.join("store")).expect("a directory");
        Store { folder }
    }

    /// The folder around it, for outputs.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    pub fn directory(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// The store path called `name`; the hash depends on the name alone. Makes nothing.
    pub fn path(&self, name: &str) -> PathBuf {
        let digits = b"0123456789abcdfghijklmnpqrsvwxyz";
        let mut random =
            super::Random(name.bytes().fold(7, |hash, byte| hash.wrapping_mul(31) + u64::from(byte)));
        let hash: String = (0..32).map(|_| char::from(digits[random.below(32)])).collect();
        self.directory().join(format!("{hash}-{name}"))
    }

    /// A store path with files: names below it, and their texts. `-> target` makes a link, a name that
    /// ends in `/` a directory, a name below `bin/` an executable. Modes are those of a store.
    pub fn add(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let top = self.path(name);
        fs::create_dir_all(&top).expect("a directory");
        for (file, text) in files {
            write(&top.join(file), file, text);
        }
        top
    }

    /// Runs `gantry build` on `attributes`, with the store and `out`.
    pub fn build(&self, attributes: &Value, out: &Path) -> Command {
        let mut file = self.folder.join("attrs");
        fs::create_dir_all(&file).expect("a directory");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        file.push(format!("{number}.json"));
        fs::write(&file, attributes.to_string()).expect("a file");
        let mut command = self.command();
        command.args(["build", "--attrs"]).arg(file).arg("--out").arg(out);
        command
    }

    /// `gantry` with this store, never waited for longer than a minute.
    pub fn command(&self) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", "60"]).arg(gantry()).env("NIX_STORE", self.directory());
        command.env_remove("NIX_BUILD_TOP").env_remove("NIX_ATTRS_JSON_FILE").env_remove("NIX_LOG_FD");
        command
    }

    /// Builds the root layer that `arguments` ask for, as `out` in the folder.
    pub fn root(&self, arguments: Value, out: &str) -> Ran {
        let attributes = json!({ "gantry": { "kind": "root", "arguments": arguments } });
        run(&mut self.build(&attributes, &self.folder.join(out)))
    }

    /// A root layer without contents, as a store path.
    #[track_caller]
    pub fn empty_root(&self) -> PathBuf {
        let root = self.path("empty-root");
        if !root.exists() {
            let attributes = json!({ "gantry": { "kind": "root", "arguments": {} } });
            run(&mut self.build(&attributes, &root)).ok();
        }
        root
    }

    /// Attributes of an image on `root` that ships `paths`, without references; `arguments` are added to
    /// those that every image needs.
    pub fn image(&self, format: &str, root: &Path, paths: &[&Path], arguments: Value) -> Value {
        let mut all = json!({ "name": "test", "tag": "1", "architecture": "amd64" });
        for (key, value) in arguments.as_object().expect("a set") {
            all[key] = value.clone();
        }
        let closure: Vec<Value> =
            paths.iter().map(|path| json!({ "path": path, "narSize": 1000, "references": [] })).collect();
        json!({
            "gantry": { "kind": "image", "arguments": all, "format": format, "root": root },
            "closure": closure,
        })
    }
}

fn write(path: &Path, name: &str, text: &str) {
    let parent = path.parent().expect("inside a store path");
    fs::create_dir_all(parent).expect("a directory");
    if name.ends_with('/') {
        fs::create_dir_all(path).expect("a directory");
    } else if let Some(target) = text.strip_prefix("-> ") {
        std::os::unix::fs::symlink(target, path).expect("a link");
    } else {
        fs::write(path, text).expect("a file");
        let mode = if name.starts_with("bin/") { 0o555 } else { 0o444 };
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
    }
}

/// Everything below `folder` with its kind, sorted: to see that nothing was left.
pub fn listing(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("a directory") {
            let entry = entry.expect("an entry");
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                open.push(entry.path());
            }
            all.push(format!("{:?} {:?}", entry.path(), kind));
        }
    }
    all.sort();
    all
}

/// Runs an oracle (tests/oracle/NAME.py) with JSON on its standard input; what it answers.
#[track_caller]
pub fn ask(oracle: &str, question: &Value) -> Value {
    use std::io::Write;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle").join(oracle).with_extension("py");
    let mut child = Command::new("python3")
        .args(["-X", "utf8"])
        .arg(script)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3");
    child.stdin.take().expect("a pipe").write_all(question.to_string().as_bytes()).expect("a reader");
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success(), "{oracle}: {:?}", output.status);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A path from bytes, UTF-8 or not.
pub fn from_bytes(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
