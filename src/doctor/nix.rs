//! The Nix in PATH: which one it is, and the commands by which the other checks ask it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::Access;

use super::{Check, Interrupted, Status, Surroundings};
use crate::registry::Environment;

/// The oldest Nix that the plugin and the derivations are made for.
const OLDEST: (u32, u32) = (2, 8);

/// Whose Nix it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Upstream,
    Lix,
    Determinate,
    /// Says something else of itself.
    Unknown,
}

/// A program `nix` that answers.
#[derive(Debug)]
pub struct Nix {
    program: PathBuf,
    pub version: String,
    pub kind: Kind,
    pub title: String,
}

/// What was found in PATH.
pub enum Found {
    /// A Nix that can be asked.
    Usable(Nix),
    /// There is none, or it cannot be asked: why.
    Not(Check),
}

/// Looks for Nix and asks it for its version.
pub fn find(surroundings: &Surroundings) -> Result<Found, Interrupted> {
    let problem = |found: String| Check::new("nix", "Nix", Status::Problem, found);
    let Some(named) = surroundings.nix.clone().or_else(|| in_path(&surroundings.environment, "nix")) else {
        return Ok(Found::Not(
            problem("there is no program `nix` in PATH".into())
                .advise("install Nix (https://nixos.org/download), or name the program with --nix PATH"),
        ));
    };
    // Under its own name: Nix tells by it which of its programs it is to be.
    let real = fs::canonicalize(&named).unwrap_or_else(|_| named.clone());
    let place = match real == named {
        true => named.display().to_string(),
        false => format!("{} ({})", named.display(), real.display()),
    };
    let mut command = Command::new(&named);
    command.env_clear().envs(&surroundings.environment.variables).arg("--version");
    // Without any configuration: Nix reads it, and loads plugins, even for this.
    command.env("NIX_CONF_DIR", "/nonexistent").env("NIX_USER_CONF_FILES", "").env("NIX_CONFIG", "");
    let failed = |what: String| {
        let check = problem(format!("{place}: `nix --version`: {what}"));
        Found::Not(check.advise("see whether `nix --version` works in a shell; --nix PATH names another Nix"))
    };
    let finished = match surroundings.runner.run(&mut command)? {
        Ok(finished) if finished.status.success() => finished,
        Ok(finished) => return Ok(failed(finished.reason())),
        Err(what) => return Ok(failed(what)),
    };
    let Some((kind, title, version)) = identify(&finished.stdout) else {
        return Ok(failed("it printed no version".into()));
    };
    let title = format!("{title}, {place}");
    if kind != Kind::Lix && number(version).is_some_and(|number| number < OLDEST) {
        let check = problem(format!("{title} is too old"));
        return Ok(Found::Not(check.advise("install Nix 2.8 or newer")));
    }
    Ok(Found::Usable(Nix { program: named, version: version.to_string(), kind, title }))
}

/// `nix (Nix) 2.8.0`, `nix (Lix, like Nix) 2.91.1`, `nix (Determinate Nix 3.6.2) 2.29.0`: the kind, the words for
/// people, and the version of the evaluator.
fn identify(line: &str) -> Option<(Kind, String, &str)> {
    let line = line.lines().next()?.trim();
    let (before, version) = line.rsplit_once(' ')?;
    number(version)?;
    let name = before.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(name, _)| name);
    Some(match name {
        "Nix" => (Kind::Upstream, format!("Nix {version}"), version),
        _ if name.starts_with("Lix") => (Kind::Lix, format!("Lix {version}"), version),
        _ if name.starts_with("Determinate Nix") => {
            (Kind::Determinate, format!("{name} (Nix {version})"), version)
        }
        _ => (Kind::Unknown, format!("{before} {version}"), version),
    })
}

/// Major and minor of a version.
pub fn number(version: &str) -> Option<(u32, u32)> {
    let (major, rest) = version.split_once('.')?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    Some((major.parse().ok()?, rest[..digits].parse().ok()?))
}

/// An executable file in a directory of PATH.
pub fn in_path(environment: &Environment, name: &str) -> Option<PathBuf> {
    let folders =
        environment.variable("PATH")?.split(':').map(Path::new).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(|program| is_executable(program))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

impl Found {
    /// The Nix that the other checks ask.
    pub fn usable(&self) -> Option<&Nix> {
        match self {
            Found::Usable(nix) => Some(nix),
            Found::Not(_) => None,
        }
    }

    /// What is said of it.
    pub fn check(&self) -> Check {
        match self {
            Found::Usable(nix) => Check::new("nix", "Nix", Status::Ok, &nix.title),
            Found::Not(check) => check.clone(),
        }
    }
}

impl Nix {
    /// A command that reads the user's configuration.
    pub fn with_users_configuration(&self, environment: &Environment) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().envs(&environment.variables);
        command
    }

    /// A command that reads no configuration and knows no store but a new one in `folder`.
    pub fn isolated(&self, environment: &Environment, folder: &Path) -> Command {
        let mut command = self.with_users_configuration(environment);
        for name in ["NIX_PATH", "NIX_STORE_DIR", "NIX_STATE_DIR", "NIX_LOG_DIR", "NIX_DATA_DIR"] {
            command.env_remove(name);
        }
        for name in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "HOME"] {
            command.env(name, folder.join("home"));
        }
        let config = "experimental-features = nix-command\nsubstituters =\nbuild-users-group =\n";
        command.env("NIX_CONF_DIR", folder.join("none")).env("NIX_USER_CONF_FILES", "");
        command.env("NIX_CONFIG", config).env("NIX_REMOTE", folder.join("store"));
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_lines_say_whose_nix_it_is() {
        let said =
            |line: &str| identify(line).map(|(kind, title, version)| (kind, title, version.to_string()));
        let expected =
            |kind, title: &str, version: &str| Some((kind, title.to_string(), version.to_string()));
        assert_eq!(said("nix (Nix) 2.8.0\n"), expected(Kind::Upstream, "Nix 2.8.0", "2.8.0"));
        let pre = "2.35pre20260101_abcdef";
        assert_eq!(said(&format!("nix (Nix) {pre}")), expected(Kind::Upstream, &format!("Nix {pre}"), pre));
        assert_eq!(
            said("nix (Lix, like Nix) 2.91.1\nSystem type: x\n"),
            expected(Kind::Lix, "Lix 2.91.1", "2.91.1")
        );
        assert_eq!(
            said("nix (Determinate Nix 3.6.2) 2.29.0"),
            expected(Kind::Determinate, "Determinate Nix 3.6.2 (Nix 2.29.0)", "2.29.0")
        );
        assert_eq!(said("tool 1.2"), expected(Kind::Unknown, "tool 1.2", "1.2"));
        assert_eq!(said("hello"), None);
        assert_eq!(said(""), None);
    }
}
