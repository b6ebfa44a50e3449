//! The documents' sessions, run for real: what they show is compared with what is printed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::blocks::{Block, blocks, flake_of, manifest};
use super::packages;
use super::support::stub_nixpkgs::{project, stub};
use super::support::{Docker, Nix, Ran, Registry, dist, output, run};

/// Where the documents say that Gantry comes from.
const ORIGIN: &str = "https://example.org/gantry.tar.gz";

/// A machine on which the documents' sessions are run: Nix with its store at /nix, Docker, a registry.
pub struct Machine {
    nix: Nix,
    docker: Docker,
    pub registry: Registry,
    /// The copy of the repository that [`ORIGIN`] stands for.
    project: PathBuf,
}

impl Machine {
    pub fn new() -> Machine {
        let nix = Nix::new();
        let (project, gantrys_nixpkgs) = (project(&nix), stub(&nix));
        let folder = nix.folder();
        fs::create_dir_all(folder.join("store/nix")).expect("a directory");
        fs::create_dir_all(folder.join("home")).expect("a directory");
        folder.write(
            "nixpkgs/flake.nix",
            format!("{{ outputs = _: {{ legacyPackages.x86_64-linux = {}; }}; }}", packages()),
        );
        folder.write("policy.json", r#"{ "default": [ { "type": "insecureAcceptAnything" } ] }"#);
        // nixpkgs is a stand-in, containers have no network, the registry speaks plain HTTP, and what `nix` would
        // build of Gantry with nixpkgs is what `make build` made.
        let nixpkgs = format!(
            "--impure --no-write-lock-file --override-input nixpkgs path:{}/nixpkgs",
            folder.path().display()
        );
        let dist = dist().display().to_string();
        let nix_script = format!(
            "case $* in
              'profile install {ORIGIN}') exec ln -sfn {dist} ~/.nix-profile ;;
              'build --out-link gantry {ORIGIN}') exec ln -sfn {dist} gantry ;;
              build* | run* | eval* | *' build '*) set -- \"$@\" {nixpkgs} ;;
            esac
            exec REAL \"$@\""
        );
        let docker_script =
            "case $1 in run) shift; set -- run --network=none \"$@\" ;; esac\nexec REAL \"$@\"";
        let skopeo_script = format!(
            "case $1 in copy) shift; set -- copy --dest-tls-verify=false \"$@\" ;; esac\nexec REAL --policy {}/policy.json \"$@\"",
            folder.path().display()
        );
        for (name, text) in
            [("nix", nix_script.as_str()), ("docker", docker_script), ("skopeo", &skopeo_script)]
        {
            let real = output("sh", &["-c", &format!("command -v {name}")]);
            let wrapper =
                folder.write(&format!("bin/{name}"), format!("#!/bin/sh\n{}\n", text.replace("REAL", &real)));
            fs::set_permissions(wrapper, fs::Permissions::from_mode(0o755)).expect("executable");
        }
        let machine = Machine { docker: Docker::start(), registry: Registry::start(), project, nix };
        // `nix flake init` locks the inputs of the flake that it takes a template from.
        let lock = format!(
            "nix flake lock --override-input nixpkgs path:{} path:{}",
            gantrys_nixpkgs.display(),
            machine.project.display()
        );
        machine.run(machine.nix.folder().path(), &lock, true).ok();
        machine
    }

    /// Runs one command of a session, in the folder of its document; with the plugin configured or not.
    fn run(&self, folder: &Path, command: &str, plugin: bool) -> Ran {
        let command =
            command.replace("docker://registry.example", &format!("docker://{}", self.registry.host()));
        let template = format!("-t path:{}", self.project.display());
        let command = command.replace(&format!("-t {ORIGIN}"), &template);
        let mut shell = self.nix.in_store(&format!("mount -t tmpfs none /mnt\ncd \"$FOLDER\"\n{command}"));
        let own = [self.nix.folder().join("bin"), dist().join("bin")].map(|path| path.display().to_string());
        let path = format!("{}:{}", own.join(":"), std::env::var("PATH").expect("PATH"));
        shell
            .env("FOLDER", folder)
            .env("PATH", path)
            .env("HOME", self.nix.folder().join("home"))
            .env("NIX_CONFIG", self.nix.config(plugin))
            .env("NIX_CONF_DIR", "/nonexistent")
            .env("NIX_REMOTE", "local")
            .env("DOCKER_HOST", self.docker.host());
        run(&mut shell)
    }

    /// Runs the sessions of a document, and says where they print something else than what stands there. They begin
    /// with the flake and the image of README's first session; the one on installing begins with nothing.
    pub fn sessions(&self, document: &Path) -> Vec<String> {
        let folder = self.nix.folder().join("sessions").join(document.file_stem().expect("a name"));
        fs::create_dir_all(&folder).expect("a directory");
        let installing = document.ends_with("docs/installing.md");
        let mut failures = Vec::new();
        let consoles: Vec<Block> =
            blocks(document).into_iter().filter(|block| block.language == "console").collect();
        if !consoles.is_empty() && !installing {
            fs::write(folder.join("flake.nix"), flake_of(&manifest().join("README.md"))).expect("a file");
            self.run(&folder, "nix build .#image", true).ok();
        }
        for block in consoles {
            for step in format!("\n{}", block.text).split("\n$ ").skip(1) {
                let (command, expected) = step.split_once('\n').unwrap_or((step, ""));
                let ran = self.run(&folder, command, !installing);
                let is_error = expected.starts_with("error");
                let printed = format!("{}{}", ran.stdout, ran.stderr);
                if (ran.code == Some(0)) == is_error {
                    failures.push(format!("{}: {command}: {:?}\n{printed}", block.place, ran.code));
                } else if let Err(why) = shows(expected, &printed) {
                    failures.push(format!("{}: {command}: {why}", block.place));
                }
            }
        }
        if installing {
            // What the sessions are for.
            let there = self.run(&folder, "nix eval --expr 'builtins ? ociImage'", false);
            if there.stdout.trim() != "true" {
                failures.push(format!("{}: the plugin is not there: {there:?}", document.display()));
            }
        }
        failures
    }

    /// Runs the commands that a CI system is configured with, on README's flake.
    pub fn ci(&self, commands: &str) {
        let folder = self.nix.folder().join("sessions/ci");
        fs::create_dir_all(&folder).expect("a directory");
        fs::write(folder.join("flake.nix"), flake_of(&manifest().join("README.md"))).expect("a file");
        self.run(&folder, commands, false).ok();
        assert!(folder.join("result").is_symlink());
    }
}

/// Whether `expected` lines are among those of `found`, in order: numbers and digests may differ, and `…`
/// stands for anything.
fn shows(expected: &str, found: &str) -> Result<(), String> {
    let mut lines = found.lines();
    for line in expected.lines().filter(|line| !line.trim().is_empty()) {
        if !lines.by_ref().any(|candidate| is_like(line, candidate)) {
            return Err(format!("no line like\n{line}\nin\n{found}"));
        }
    }
    Ok(())
}

fn is_like(expected: &str, found: &str) -> bool {
    let found = without_numbers(found);
    let mut rest = found.as_str();
    for part in without_numbers(expected).split('…') {
        let Some(at) = rest.find(part.trim()) else { return false };
        rest = &rest[at + part.trim().len()..];
    }
    true
}

/// Digits and longer runs of hexadecimal digits as `#`, and any number of spaces as one.
fn without_numbers(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let mut text = String::new();
        for part in word.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let (digits, end) = match part.strip_suffix(|c: char| !c.is_ascii_alphanumeric()) {
                Some(digits) => (digits, &part[digits.len()..]),
                None => (part, ""),
            };
            let is_number = !digits.is_empty()
                && (digits.bytes().all(|b| b.is_ascii_digit())
                    || digits.len() >= 12 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
            text += if is_number { "#" } else { digits };
            text += end;
        }
        words.push(text.replace("#.#", "#"));
    }
    words.join(" ")
}
