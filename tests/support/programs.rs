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
    pub fn start() -> Registry {
        let folder = Folder::new();
        // A port that was free a moment ago; another try if somebody took it.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
            let config = format!(
                "version: 0.1\nlog: {{ level: info }}\nstorage:\n  filesystem: {{ rootdirectory: {} }}\nhttp:\n  addr: 127.0.0.1:{port}\n",
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
