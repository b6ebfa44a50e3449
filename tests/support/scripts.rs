//! Root layers with scripts, made by the builder alone, in a store that stands at `/nix/store`: and the same
//! scripts run by the machine's real root, to compare with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Folder, MadeImages, MadeLayer, Ran, Store, gantry, json, output, run, unpack};

/// What is at a path: kind, mode, owner, content or target or device number, extended attributes.
pub type Tree = BTreeMap<String, Value>;

/// The ways in which a script is run, each with its arguments: the name of the argument, or `enableFakechroot`.
pub fn ways(script: &str) -> [(&'static str, Value); 4] {
    [
        ("extraCommands", json!({ "extraCommands": script })),
        ("fakeRootCommands", json!({ "fakeRootCommands": script })),
        ("enableFakechroot", json!({ "fakeRootCommands": script, "enableFakechroot": true })),
        ("runAsRoot", json!({ "runAsRoot": script })),
    ]
}

/// The argument that the script of a way is.
pub fn argument(way: &'static str) -> &'static str {
    if way == "enableFakechroot" { "fakeRootCommands" } else { way }
}

/// The names in the layer of a way whose script makes `names`: `runAsRoot` has an empty `/tmp`, which stays.
pub fn layer_names<'n>(way: &str, names: &[&'n str]) -> Vec<&'n str> {
    let tmp = (way == "runAsRoot").then_some("tmp");
    let mut all: Vec<&str> = names.iter().copied().chain(tmp).collect();
    all.sort_unstable();
    all
}

/// A builder's command whose builder an ordinary user runs.
pub fn as_nobody(build: &Command) -> Command {
    let mut command = Command::new(build.get_program());
    for argument in build.get_args() {
        if argument == gantry() {
            command.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        command.arg(argument);
    }
    with_environment(command, build)
}

/// The command in the environment of another one.
pub fn with_environment(mut command: Command, of: &Command) -> Command {
    for (name, value) in of.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// A store with busybox, where scripts find it.
pub struct Scripts {
    store: Store,
    busybox: PathBuf,
}

/// Gives everything after the first argument a /nix/store of its own.
const AROUND: &str = r#"mkdir -p /nix/store; mount --bind "$0" /nix/store; exec "$@""#;

impl Scripts {
    pub fn new() -> Scripts {
        let store = Store::new();
        let busybox = store.path("busybox");
        fs::create_dir_all(busybox.join("bin")).expect("a directory");
        fs::copy("/bin/busybox", busybox.join("bin/busybox"))
            .expect("busybox-static; tests/setup installs it");
        for applet in output("/bin/busybox", &["--list"]).lines().filter(|applet| *applet != "busybox") {
            std::os::unix::fs::symlink("busybox", busybox.join("bin").join(applet)).expect("a link");
        }
        fs::create_dir(store.folder().join("tmp")).expect("a directory");
        Scripts { store, busybox }
    }

    pub fn folder(&self) -> &Folder {
        self.store.folder()
    }

    /// A store path with files, as scripts see it.
    pub fn add(&self, name: &str, files: &[(&str, &str)]) -> String {
        there(&self.store.add(name, files))
    }

    /// The package with a shell and its tools, as scripts see it.
    pub fn busybox(&self) -> String {
        there(&self.busybox)
    }

    /// Where the builder keeps what scripts make: empty when it is done.
    pub fn temporary(&self) -> PathBuf {
        self.folder().join("tmp")
    }

    /// The builder on the arguments of a root layer, whose shell is busybox unless they say otherwise; its
    /// process is the builder's itself.
    pub fn build(&self, arguments: &Value, out: &str) -> Command {
        let mut all = json!({ "shell": self.busybox(), "path": [self.busybox(), "/usr"] });
        all.as_object_mut().expect("a set").extend(arguments.as_object().expect("a set").clone());
        let attributes = json!({ "gantry": { "kind": "root", "arguments": all } });
        let file = self.folder().write(&format!("attrs-{out}.json"), attributes.to_string());
        let mut command = self.in_namespace();
        command.arg(gantry()).args(["build", "--attrs"]).arg(file).arg("--out").arg(self.folder().join(out));
        command
    }

    /// `/nix/store` is the store for the program and arguments that are added.
    pub fn in_namespace(&self) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-euc", AROUND]).arg(self.store.directory());
        command.env("NIX_STORE", "/nix/store").env("TMPDIR", self.temporary());
        for name in ["NIX_BUILD_TOP", "NIX_ATTRS_JSON_FILE", "NIX_LOG_FD", "NIX_BUILD_CORES"] {
            command.env_remove(name);
        }
        command
    }

    /// Builds the root layer that arguments ask for; nothing is left but that.
    #[track_caller]
    pub fn run(&self, arguments: Value, out: &str) -> Ran {
        let ran = run(&mut self.build(&arguments, out));
        assert_eq!(super::listing(&self.temporary()), [""; 0], "left behind; {}", ran.stderr);
        ran
    }

    /// The tree of a root layer alone.
    #[track_caller]
    pub fn tree(&self, arguments: Value, out: &str) -> Tree {
        self.run(arguments, out).ok();
        self.unpacked(&[], out)
    }

    /// The one error of a root layer that cannot be made, and everything that is said before it.
    #[track_caller]
    pub fn refused(&self, arguments: Value) -> (String, String) {
        let ran = self.run(arguments, "refused");
        assert!(!self.folder().join("refused").exists(), "an output of a build that failed");
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let said = ran.err();
        let (before, last) = said.trim_end().rsplit_once('\n').unwrap_or(("", said.trim_end()));
        assert!(last.starts_with("error: "), "{said}");
        (last.to_string(), before.to_string())
    }

    /// The layer's tar.
    pub fn layer(&self, out: &str) -> Vec<u8> {
        fs::read(self.folder().join(out).join("layer.tar")).expect("a layer")
    }

    /// The names in the layer's tar, by CPython: without `./`, in its order, a link's with its target.
    pub fn names(&self, out: &str) -> Vec<String> {
        let script = "import sys, tarfile\nfor t in tarfile.open(sys.argv[1], 'r:'):\n  if t.name != '.': print(t.name[2:] + (' -> ' + t.linkname if t.issym() else ''))";
        let tar = self.folder().join(out).join("layer.tar");
        let listed = output("/usr/bin/python3", &["-c", script, tar.to_str().expect("UTF-8")]);
        listed.lines().map(str::to_string).collect()
    }

    /// What umoci makes of the layer on top of others.
    #[track_caller]
    pub fn unpacked(&self, below: &[MadeLayer], out: &str) -> Tree {
        let mut layers = below.to_vec();
        layers.push(MadeLayer::plain(self.layer(out)));
        walk(&unpacked_layers(&layers, &Folder::new()))
    }

    /// What the machine's own root makes of a tree with the same script, at the top of it or chrooted; then
    /// it has to have /proc, /dev and /nix/store.
    #[track_caller]
    pub fn by_real_root(&self, root: &Path, script: &str, chrooted: bool) -> Tree {
        let around = r#"cd "$1"; umask 022
            if [ "$3" = chroot ]; then
                mount --bind /nix/store nix/store; mount -t proc proc proc; mount --bind /dev dev
                chroot=$(command -v chroot); set -- "$@" "$chroot" .
            fi
            shift 3; script=$1; path=$2; shift 2
            env -i PATH="$path" HOME=/homeless-shelter TZ=UTC "$@" "${path%%:*}/sh" -e -c "$script" script </dev/null >&2"#;
        let ran = run(self
            .in_namespace()
            .args(["sh", "-euc", around, "sh"])
            .arg(root)
            .args(["-", if chrooted { "chroot" } else { "-" }, script])
            .arg(format!("{}/bin:/usr/bin", self.busybox())));
        assert_eq!(ran.code, Some(0), "a real root: {}", ran.stderr);
        walk(root)
    }
}

/// A store path of this store as it is called in the namespace.
fn there(path: &Path) -> String {
    format!("/nix/store/{}", path.file_name().expect("a name").to_str().expect("UTF-8"))
}

/// Layers, unpacked by umoci.
#[track_caller]
pub fn unpacked_layers(layers: &[MadeLayer], folder: &Folder) -> PathBuf {
    let images = MadeImages::new();
    images.tag("1", images.image("linux/amd64", layers, json!({})));
    unpack(&format!("{}:1", images.folder.path().display()), &folder.join("unpacked"))
}

/// A directory as tests/oracle/export.py sees it, without times and hard links.
#[track_caller]
pub fn walk(directory: &Path) -> Tree {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/export.py");
    let found: Tree =
        serde_json::from_value(json(&output(script, &[Path::new("walk"), directory]))).expect("a map");
    let plain = |(name, mut entry): (String, Value)| {
        let entry_map = entry.as_object_mut().expect("a set");
        entry_map.remove("mtime");
        entry_map.remove("same");
        (unhex(&name), entry)
    };
    found.into_iter().map(plain).collect()
}

/// A name of the oracle's; without `./`.
fn unhex(digits: &str) -> String {
    let bytes: Vec<u8> = (0..digits.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&digits[i..i + 2], 16).expect("digits"))
        .collect();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.strip_prefix("./").unwrap_or(&text).to_owned()
}

/// What differs between two trees, line by line.
pub fn differences(ours: &Tree, theirs: &Tree) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let differ = names.into_iter().filter(|name| ours.get(*name) != theirs.get(*name));
    let shown = |entry: Option<&Value>| entry.map_or("nothing".to_string(), Value::to_string);
    differ
        .map(|name| format!("{name}: {} instead of {}", shown(ours.get(name)), shown(theirs.get(name))))
        .collect()
}
