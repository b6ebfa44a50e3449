//! What a container engine does with an image: loads the archive, and runs a process on its files with the
//! user, environment and directory that its configuration says.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Folder, Ran, json, output, run};

/// Docker's, for images that say nothing of it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A loaded image: its root file system, by umoci, and its configuration.
pub struct Container {
    folder: Folder,
    pub root: PathBuf,
    /// The image's configuration document.
    pub document: Value,
    layout: PathBuf,
}

impl Container {
    /// Loads the only image of an archive, as `docker load` reads it.
    #[track_caller]
    pub fn load(archive: &Path) -> Container {
        Container::load_named(archive, "")
    }

    /// Loads the image of an archive that is called so.
    #[track_caller]
    pub fn load_named(archive: &Path, name: &str) -> Container {
        let folder = Folder::new();
        // skopeo 1.9 decompresses no docker-archive, Docker does.
        let plain = folder.join("plain.tar");
        let script = r#"case $(head -c 4 "$0" | od -An -tx1) in
              " 1f 8b"*) gzip -dc "$0" > "$1" ;;
              " 28 b5 2f fd") zstd -dcq "$0" > "$1" ;;
              *) ln -s "$0" "$1" ;;
            esac"#;
        run(Command::new("sh").args(["-euc", script]).arg(archive).arg(&plain)).ok();
        let colon = if name.is_empty() { "" } else { ":" };
        let source = format!("docker-archive:{}{colon}{name}", plain.display());
        let layout = folder.join("layout");
        let to = format!("oci:{}:image", layout.display());
        output("skopeo", &["--insecure-policy", "copy", "--quiet", &source, &to]);
        let root = folder.join("root");
        // Files alone: umoci does not find users in files that are links.
        let root_name = root.to_str().expect("UTF-8");
        output("umoci", &["raw", "unpack", "--image", &to["oci:".len()..], root_name]);
        let document = json(&output("skopeo", &["inspect", "--config", "--raw", &to]));
        Container { folder, root, document, layout }
    }

    /// `config` of the configuration document.
    pub fn config(&self) -> &Value {
        &self.document["config"]
    }

    /// The layers' diff IDs.
    pub fn diff_ids(&self) -> Vec<&str> {
        let ids = self.document["rootfs"]["diff_ids"].as_array().expect("a list");
        ids.iter().map(|id| id.as_str().expect("a digest")).collect()
    }

    /// Runs a command, or what the image says if it is empty.
    pub fn run(&self, command: &[&str]) -> Ran {
        run(&mut self.command(command))
    }

    /// Runs a shell script with the image's shell.
    pub fn sh(&self, script: &str) -> Ran {
        self.run(&["/bin/bash", "-c", script])
    }

    /// Runs what the image says on a terminal of its own; both of its outputs are one.
    pub fn run_on_terminal(&self) -> Ran {
        let command = self.command(&[]);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted: Vec<String> =
            words.map(|word| format!("'{}'", word.to_str().expect("UTF-8").replace('\'', "'\\''"))).collect();
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &quoted.join(" "), "/dev/null"]);
        let mut ran = run(&mut script);
        ran.stdout = ran.stdout.replace('\r', "");
        ran
    }

    /// The program that runs a command in namespaces of its own, with a network that is loopback alone.
    pub fn command(&self, command: &[&str]) -> Command {
        self.command_with("", command)
    }

    /// The same after a shell script on the outside, which finds the root file system as `$root`.
    pub fn command_with(&self, before: &str, command: &[&str]) -> Command {
        let config = self.config();
        let words = |key: &str| -> Vec<String> {
            config[key].as_array().map_or_else(Vec::new, |words| {
                words.iter().map(|word| word.as_str().expect("text").to_owned()).collect()
            })
        };
        let (uid, gid, home) = self.user();
        let directory = config["WorkingDir"].as_str().filter(|d| !d.is_empty()).unwrap_or("/");
        std::fs::create_dir_all(self.root.join(directory.trim_start_matches('/'))).expect("a directory");

        let script = format!(
            r#"root=$0; mkdir -p "$root/dev" "$root/proc"
            # Devices of its own: root in it may remove what it finds there, and servers do (nginx its pid file).
            mount -t tmpfs -o mode=755 tmpfs "$root/dev"; mount -t proc -o ro proc "$root/proc"
            device() {{ mknod -m 666 "$root/dev/$1" c 1 "$2"; }}
            device null 3; device zero 5; device full 7; device random 8; device urandom 9
            ln -s /proc/self/fd "$root/dev/fd"
            for i in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${{i%:*}}" "$root/dev/${{i#*:}}"; done
            busybox ip link set lo up
            {before}
            exec "$@""#
        );
        let mut program = Command::new("unshare");
        program.args(["--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child"]);
        program.args(["sh", "-euc", &script]).arg(&self.root);
        program.args(["env", "-i", &format!("PATH={PATH}"), &format!("HOME={home}")]).args(words("Env"));
        program.args(["/usr/bin/unshare", "--root"]).arg(&self.root).args(["--wd", directory]);
        program.args(["--setgid", &gid.to_string(), "--setuid", &uid.to_string(), "--"]);
        program.args(words("Entrypoint"));
        match command {
            [] => program.args(words("Cmd")),
            command => program.args(command),
        };
        program
    }

    /// `User`: numbers, and the home directory that `/etc/passwd` has for it.
    fn user(&self) -> (u32, u32, String) {
        let user = self.config()["User"].as_str().unwrap_or("");
        let (user, group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
        let user = if user.is_empty() { "0" } else { user };
        let passwd = self.lines("etc/passwd");
        let found = passwd.iter().find(|fields| fields[0] == user || fields[2] == user);
        let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("no user or group {text}"));
        let uid = number(found.map_or(user, |fields| &fields[2]));
        let gid = match group {
            Some(group) => {
                let groups = self.lines("etc/group");
                number(groups.iter().find(|fields| fields[0] == group).map_or(group, |fields| &fields[2]))
            }
            None => found.map_or(0, |fields| number(&fields[3])),
        };
        (uid, gid, found.map_or("/", |fields| &fields[5]).to_owned())
    }

    fn lines(&self, file: &str) -> Vec<Vec<String>> {
        let text = self.text(file);
        text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
    }

    /// The text of a file, through links that are meant for the image; empty if there is none.
    pub fn text(&self, file: &str) -> String {
        let mut path = self.root.join(file.trim_start_matches('/'));
        for _ in 0..10 {
            match std::fs::read_link(&path) {
                Ok(target) if target.is_absolute() => {
                    path = self.root.join(target.strip_prefix("/").expect("absolute"));
                }
                Ok(target) => path = path.parent().expect("a directory").join(target),
                Err(_) => break,
            }
        }
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// Mode, user and group of a file, `755 0:0`.
    #[track_caller]
    pub fn stat(&self, file: &str) -> String {
        let path = self.root.join(file.trim_start_matches('/'));
        output("stat", &["-c", "%a %u:%g", path.to_str().expect("UTF-8")])
    }

    /// The layout that it was loaded into.
    pub fn layout(&self) -> &Path {
        &self.layout
    }
}
