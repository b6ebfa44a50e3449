//! Nix's sandbox, and the user namespaces that the scripts of a root layer run in.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::configuration::Configuration;
use super::{Check, Interrupted, Status, Surroundings};
use crate::sandbox::NAMESPACES;

/// `nobody`: what root may do is not what build users may.
const NOBODY: u32 = 65534;

/// Looks at the setting, and tries namespaces.
pub fn examine(
    surroundings: &Surroundings,
    configuration: Option<&Configuration>,
) -> Result<Vec<Check>, Interrupted> {
    let mut checks = Vec::new();
    if let Some(sandbox) = configuration.and_then(|configuration| configuration.value("sandbox")) {
        checks.push(setting(sandbox));
    }
    checks.push(namespaces(surroundings)?);
    Ok(checks)
}

fn setting(sandbox: &str) -> Check {
    let check = |status, found: &str| Check::new("sandbox", "sandbox", status, found);
    match sandbox {
        "true" => check(Status::Ok, "sandbox = true"),
        "relaxed" => check(Status::Ok, "sandbox = relaxed"),
        _ => check(
            Status::Warning,
            "sandbox = false: builds can see this machine's files and network, and differ from others'",
        )
        .advise("set sandbox = true in the nix.conf of the daemon"),
    }
}

/// Enters the namespaces that scripts need, in a child process.
fn namespaces(surroundings: &Surroundings) -> Result<Check, Interrupted> {
    let check = |status, found: String| Check::new("user-namespaces", "user namespaces", status, found);
    let as_user = |user: Option<u32>| {
        let mut command = Command::new("/proc/self/exe");
        command.arg(NAMESPACES).current_dir("/");
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        command
    };
    let root = surroundings.environment.uid == 0;
    let mut answer = surroundings.runner.run(&mut as_user(root.then_some(NOBODY)))?;
    if root && answer.is_err() {
        // In a container, nobody may not exist.
        answer = surroundings.runner.run(&mut as_user(None))?;
    }
    Ok(match answer {
        Ok(finished) if finished.status.success() => {
            check(Status::Ok, "can be made: extraCommands, fakeRootCommands and runAsRoot work".to_string())
        }
        Ok(finished) => {
            let mut lines = finished.stdout.lines();
            let (cause, remedy) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
            check(
                Status::Warning,
                format!("the kernel refuses them, which scripts of a root layer need: {cause}"),
            )
            .advise(remedy)
        }
        Err(what) => check(Status::Warning, format!("cannot be tried: {what}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_that_is_off_is_a_warning() {
        assert_eq!(setting("true").status, Status::Ok);
        assert_eq!(setting("relaxed").status, Status::Ok);
        assert_eq!(setting("false").status, Status::Warning);
    }
}
