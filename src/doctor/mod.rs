//! `gantry doctor`: whether images can be built on this machine, and what to change where they cannot.
//!
//! Every check looks at one thing and yields a [`Check`]: what was found, and what to do. The checks change
//! nothing: what they evaluate goes into a temporary store. Versions prove little (two builds of one version of Nix
//! can have different binary interfaces), so the checks try what they ask about, in child processes with a time
//! limit. Environment, signals and the terminal come from `cli`; no secret gets into a check.
//!
//! | file | checks |
//! |---|---|
//! | `nix` | the Nix in PATH |
//! | `configuration` | nix.conf, its plugin-files and experimental features |
//! | `store` | who writes to the store |
//! | `plugin` | whether the plugin loads and evaluates an image; the plain functions where it cannot |
//! | `sandbox` | Nix's sandbox, user namespaces |
//! | `engines` | programs that load and run images |
//! | `credentials`, `certificates` | what a registry is asked with |
//! | `disk` | free space |
//! | `settings`, `process` | `nix.conf` read by hand; child processes |

mod certificates;
mod configuration;
mod credentials;
mod disk;
mod engines;
mod nix;
mod plugin;
mod process;
mod sandbox;
mod settings;
mod store;

use std::path::PathBuf;

use serde::Serialize;

pub use process::{Interrupted, Runner};

use crate::registry::Environment;

/// What the checks need to know.
pub struct Surroundings {
    /// Variables, home and user.
    pub environment: Environment,
    /// The program `nix`, instead of that in PATH.
    pub nix: Option<PathBuf>,
    /// The file that `plugin-files` is to name, instead of that which is installed with this program.
    pub plugin: Option<PathBuf>,
    /// Directories in which this program is installed, as bin/gantry.
    pub prefixes: Vec<PathBuf>,
    /// Runs other programs.
    pub runner: Runner,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing to do.
    Ok,
    /// Something is missing that only some images need, or that will be needed.
    Warning,
    /// Images cannot be built.
    Problem,
    /// Could not be checked, or need not be.
    Skipped,
}

/// What one check found.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Its name in JSON; never changes.
    pub id: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// How it ended.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do.
    pub advice: Option<String>,
}

impl Check {
    fn new(id: &'static str, title: &'static str, status: Status, found: impl Into<String>) -> Check {
        Check { id, title, status, found: found.into(), advice: None }
    }

    fn advise(self, advice: impl Into<String>) -> Check {
        Check { advice: Some(advice.into()), ..self }
    }
}

/// What all checks found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether images can be built: no check is a problem.
    pub can_build: bool,
    /// With what, or why not.
    pub summary: String,
    /// In the order of the table.
    pub checks: Vec<Check>,
}

/// Runs all checks.
pub fn examine(surroundings: &Surroundings) -> Result<Report, Interrupted> {
    let environment = &surroundings.environment;
    let mut checks = Vec::new();
    let found = nix::find(surroundings)?;
    checks.push(found.check());
    let mut means = None;
    let mut configuration = None;
    if let Some(nix) = found.usable() {
        let read = nix.configuration(surroundings)?;
        checks.extend(read.checks());
        let tried = plugin::examine(surroundings, nix, &read)?;
        means = tried.means;
        checks.extend(tried.checks);
        checks.extend(read.features(environment));
        checks.push(store::examine(environment, nix, &read));
        configuration = Some(read);
    }
    checks.extend(sandbox::examine(surroundings, configuration.as_ref())?);
    checks.extend(engines::examine(surroundings)?);
    checks.push(credentials::examine(environment));
    checks.push(certificates::examine(environment));
    checks.extend(disk::examine(environment));

    // Programs repeat the addresses that they were given (DOCKER_HOST, for one).
    for check in &mut checks {
        check.found = without_users(&check.found);
    }
    let problem = checks.iter().find(|check| check.status == Status::Problem);
    let summary = match (problem, means) {
        (Some(check), _) => format!("Images cannot be built: {}: {}", check.title, check.found),
        (None, Some(means)) => format!("Images can be built with {means}"),
        (None, None) => "Images can be built".to_string(),
    };
    Ok(Report { can_build: problem.is_none(), summary, checks })
}

/// A text whose URLs have no user and no password.
fn without_users(text: &str) -> String {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let end = part.find(|c: char| c.is_whitespace() || "/?#,;\"'".contains(c)).unwrap_or(part.len());
        let host = part[..end].rfind('@').map_or(0, |at| at + 1);
        out += "://";
        out += &part[host..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_users() {
        for (text, shown) in [
            ("at ssh://me:secret@host.test: refused", "at ssh://host.test: refused"),
            ("a://u@x b://v:p@w@y/z@1, @q", "a://x b://y/z@1, @q"),
            ("https://host.test/a@sha256:1", "https://host.test/a@sha256:1"),
            ("me@host", "me@host"),
            ("://", "://"),
        ] {
            assert_eq!(without_users(text), shown);
        }
    }
}
