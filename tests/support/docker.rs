//! A real Docker daemon, with everything that it keeps in a folder of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Folder, Ran, run};

/// Docker without a network, stopped when dropped.
pub struct Docker {
    process: Child,
    folder: Folder,
}

impl Docker {
    #[track_caller]
    pub fn start() -> Docker {
        let folder = Folder::new();
        let log = std::fs::File::create(folder.join("log")).expect("a log");
        // Its mounts are its own; containers have loopback alone, so that nothing of this machine's network
        // is touched.
        let process = Command::new("unshare")
            .args(["--mount", "dockerd", "--storage-driver=vfs", "--bridge=none", "--iptables=false"])
            .arg("--ip6tables=false")
            .arg(format!("--host={}", host(&folder)))
            .arg(format!("--data-root={}", folder.join("data").display()))
            .arg(format!("--exec-root={}", folder.join("run").display()))
            .arg(format!("--pidfile={}", folder.join("pid").display()))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("unshare");
        let mut docker = Docker { process, folder };
        let deadline = Instant::now() + Duration::from_secs(60);
        while docker.command(&["version"]).code != Some(0) {
            let ended = docker.process.try_wait().expect("a process");
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(docker.folder.join("log"));
                panic!("dockerd does not start ({ended:?}); tests/setup installs it: {log:?}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        docker
    }

    /// Where it listens, as `DOCKER_HOST` says it.
    pub fn host(&self) -> String {
        host(&self.folder)
    }

    /// `docker ...`.
    pub fn command(&self, arguments: &[&str]) -> Ran {
        run(Command::new("docker").arg("--host").arg(host(&self.folder)).args(arguments))
    }

    /// `docker load` of a file.
    #[track_caller]
    pub fn load(&self, archive: &Path) -> String {
        self.command(&["load", "--quiet", "--input", archive.to_str().expect("UTF-8")]).ok()
    }

    /// `docker load` of what a shell command writes, in the words of that command.
    pub fn load_command(&self, command: &str) -> String {
        format!("{command} | docker --host {} load --quiet", host(&self.folder))
    }

    /// Runs a command in a container of an image.
    pub fn run(&self, image: &str, command: &[&str]) -> Ran {
        let mut arguments = vec!["run", "--rm", "--network=none", image];
        arguments.extend(command);
        self.command(&arguments)
    }

    /// `docker image inspect`.
    #[track_caller]
    pub fn inspect(&self, image: &str) -> serde_json::Value {
        super::json(&self.command(&["image", "inspect", image]).ok())[0].clone()
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // It ends its containerd when it is asked to end, and not when it is killed.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn host(folder: &Folder) -> String {
    format!("unix://{}", folder.join("sock").display())
}
