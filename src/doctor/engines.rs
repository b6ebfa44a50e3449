//! Programs that load and run images: which are there, and whether those with a daemon get an answer from it.
//! Podman and Skopeo have none, and `podman info` would make directories, so they are asked for their version alone.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::nix::in_path;
use super::{Check, Interrupted, Status, Surroundings};
use crate::threads::together;

struct Engine {
    name: &'static str,
    title: &'static str,
    /// Asks the daemon; nothing where there is none.
    ping: &'static [&'static str],
}

const ENGINES: [Engine; 5] = [
    Engine { name: "docker", title: "Docker", ping: &["version", "--format", "{{.Server.Version}}"] },
    Engine { name: "podman", title: "Podman", ping: &[] },
    Engine { name: "skopeo", title: "Skopeo", ping: &[] },
    Engine { name: "ctr", title: "containerd (ctr)", ping: &["--connect-timeout", "3s", "version"] },
    Engine { name: "nerdctl", title: "nerdctl", ping: &["info", "--format", "{{.ServerVersion}}"] },
];

/// Looks for all of them.
pub fn examine(surroundings: &Surroundings) -> Result<Vec<Check>, Interrupted> {
    let ask = |engine: &Engine| match in_path(&surroundings.environment, engine.name) {
        Some(program) => engine.ask(surroundings, &program),
        None => Ok(Check::new(engine.name, engine.title, Status::Skipped, "not in PATH")),
    };
    // Side by side: those without a daemon wait for one.
    let next = AtomicUsize::new(0);
    let checks: [OnceLock<Result<Check, Interrupted>>; ENGINES.len()] = Default::default();
    together(ENGINES.len(), || {
        let turns = || next.fetch_add(1, Ordering::Relaxed);
        while let Some((engine, check)) =
            Some(turns()).and_then(|turn| ENGINES.get(turn).zip(checks.get(turn)))
        {
            let _ = check.set(ask(engine)); // each has one turn
        }
    });
    checks.into_iter().map(|check| check.into_inner().unwrap_or(Err(Interrupted))).collect()
}

impl Engine {
    fn ask(&self, surroundings: &Surroundings, program: &Path) -> Result<Check, Interrupted> {
        let check = |status, found: String| Check::new(self.name, self.title, status, found);
        let run = |arguments: &[&str]| {
            let mut command = Command::new(program);
            surroundings
                .runner
                .run(command.env_clear().envs(&surroundings.environment.variables).args(arguments))
        };
        let version = match run(&["--version"])? {
            Ok(finished) if finished.status.success() => {
                finished.stdout.lines().next().unwrap_or_default().trim().to_string()
            }
            Ok(finished) => {
                return Ok(check(Status::Warning, format!("{}: {}", program.display(), finished.reason())));
            }
            Err(what) => return Ok(check(Status::Warning, format!("{}: {what}", program.display()))),
        };
        if self.ping.is_empty() {
            return Ok(check(Status::Ok, version));
        }
        let advice =
            "start its daemon, or give this user access to its socket; images can be built without it";
        Ok(match run(self.ping)? {
            Ok(finished) if finished.status.success() => {
                check(Status::Ok, format!("{version}; its daemon answers"))
            }
            Ok(finished) => check(
                Status::Warning,
                format!("{version}; its daemon does not answer: {}", finished.reason()),
            )
            .advise(advice),
            Err(what) => check(Status::Warning, format!("{version}; its daemon does not answer: {what}"))
                .advise(advice),
        })
    }
}
