//! Programs that read, run and serve images.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Folder, Ran, output, run};

/// Unpacks an image of a layout (`DIR:TAG`) with umoci; the root file system.
#[track_caller]
pub fn unpack(image: &str, into: &Path) -> PathBuf {
    output("umoci", &["unpack", "--image", image, into.to_str().expect("UTF-8")]);
    into.join("rootfs")
}

/// The names that `podman load` finds in an archive, or in what an executable writes.
#[track_caller]
pub fn podman_load(archive: &Path) -> Vec<String> {
    let folder = Folder::new();
    // Inside a container and on a tmpfs: no overlay, no cgroups, no runtime.
    let script = r#"podman() { command podman --root "$0/root" --runroot "$0/run" --storage-driver vfs \
            --cgroup-manager cgroupfs --runtime crun "$@"; }
        if [ -x "$1" ]; then "$1" | podman load --quiet; else podman load --quiet --input "$1"; fi"#;
    let loaded = run(Command::new("sh").args(["-euc", script]).arg(folder.path()).arg(archive)).ok();
    let lines = loaded.lines().map(|line| line.trim_start_matches("Loaded image: ").to_string());
    let mut names: Vec<String> = lines.collect();
    names.sort();
    names
}

/// Runs a command in an unpacked root file system, in namespaces of its own.
pub fn docker_less_run(root: &Path, command: &[&str]) -> Ran {
    let script = r#"mount -t proc proc "$0/proc" 2>/dev/null || true
        chroot=$(command -v chroot); exec env -i PATH=/usr/bin:/bin "$chroot" "$0" "$@""#;
    run(Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "sh", "-c", script])
        .arg(root)
        .args(command))
}

/// A real registry (Debian's docker-registry) on loopback, stopped when dropped.
pub struct Registry {
    process: Child,
    folder: Folder,
    port: u16,
}

impl Registry {
    /// A plain one, for everybody.
    pub fn start() -> Registry {
        Registry::with("", "")
    }

    /// One that knows the user `user` with the password `secret` alone.
    pub fn with_password() -> Registry {
        // htpasswd -nbB user secret
        let line = "user:$2y$05$ueQf2XeaxW33GlO3bSnZ3eqXXgGS9lPL4/aoGk7y/PjjdhODfSu9W\n";
        Registry::with(line, "auth: { htpasswd: { realm: test, path: HTPASSWD } }\n")
    }

    /// One that sends everybody to a token server, and then takes whatever token they bring.
    pub fn with_tokens(realm: &str) -> Registry {
        Registry::with("", &format!("auth: {{ silly: {{ realm: \"{realm}\", service: test }} }}\n"))
    }

    /// One with TLS; if an authority is given, for clients with a certificate of that.
    pub fn with_tls(chain: &Path, key: &Path, clients: Option<&Path>) -> Registry {
        let clients = clients.map(|root| format!(", clientcas: [{}]", root.display())).unwrap_or_default();
        let tls = format!("  tls: {{ certificate: {}, key: {}{clients} }}\n", chain.display(), key.display());
        Registry::with("", &tls)
    }

    /// With these lines after the section `http`, where HTPASSWD stands for a file of the other lines.
    fn with(passwords: &str, lines: &str) -> Registry {
        let folder = Folder::new();
        let passwords = folder.write("htpasswd", passwords);
        let lines = lines.replace("HTPASSWD", &passwords.display().to_string());
        // A port that was free a moment ago; another try if somebody took it.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
            let config = format!(
                "version: 0.1\nlog: {{ level: info }}\nstorage:\n  filesystem: {{ rootdirectory: {} }}\nhttp:\n  addr: 127.0.0.1:{port}\n{lines}",
                folder.join("data").display()
            );
            let config = folder.write("config.yml", config);
            let log = std::fs::File::create(folder.join("log")).expect("a log");
            let mut process = Command::new("docker-registry")
                .arg("serve")
                .arg(config)
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("docker-registry; tests/setup installs it");
            let deadline = Instant::now() + Duration::from_secs(20);
            while Instant::now() < deadline && process.try_wait().expect("a process").is_none() {
                if std::net::TcpStream::connect(("127.0.0.1", port))
                    .is_ok_and(|mut s| s.write_all(b"").is_ok())
                {
                    return Registry { process, folder, port };
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = process.kill();
            let _ = process.wait();
        }
        panic!("docker-registry does not start: {:?}", std::fs::read_to_string(folder.join("log")));
    }

    /// How many requests it has answered, pings included.
    pub fn requests(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.join("log")).expect("a log");
        log.lines().filter(|line| line.contains("http.response.status")).count()
    }

    /// Ends it; what it has stays.
    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again, on the port that it had.
    pub fn start_again(&mut self) {
        let log = std::fs::OpenOptions::new().append(true).open(self.folder.join("log")).expect("a log");
        self.process = Command::new("docker-registry")
            .arg("serve")
            .arg(self.folder.join("config.yml"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("docker-registry");
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "docker-registry does not start again");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
