//! Where credentials for registries are, and for which registries: names only.

use super::{Check, Status};
use crate::registry::{CredentialState, Environment, credential_sources};

/// Looks at the files that pulling looks at.
pub fn examine(environment: &Environment) -> Check {
    let check = |status, found: String| Check::new("credentials", "credentials", status, found);
    let sources = credential_sources(environment);
    let mut parts = Vec::new();
    let mut broken = false;
    for source in &sources {
        match &source.state {
            CredentialState::Missing => {}
            CredentialState::Broken(what) => {
                broken = true;
                parts.push(format!("{}: {what}", source.path.display()));
            }
            CredentialState::Read { registries, helpers, unreadable } => {
                let mut names = registries.clone();
                for helper in helpers {
                    let absent = if helper.in_path { "" } else { ", which is not in PATH" };
                    broken |= !helper.in_path;
                    names.push(format!("{} (asks {}{absent})", helper.registry, helper.program));
                }
                for registry in unreadable {
                    broken = true;
                    names.push(format!("{registry} (not USER:PASSWORD in base64)"));
                }
                let names = if names.is_empty() { "for no registry".to_string() } else { names.join(", ") };
                parts.push(format!("{}: {names}", source.path.display()));
            }
        }
    }
    let looked: Vec<String> = sources.iter().map(|source| source.path.display().to_string()).collect();
    match (parts.is_empty(), broken) {
        (true, _) => check(
            Status::Ok,
            format!("none, so registries are asked as anybody; looked at {}", looked.join(", ")),
        ),
        (false, true) => check(Status::Warning, parts.join("; "))
            .advise("log in again (docker login, podman login, skopeo login), or install the helper"),
        (false, false) => check(Status::Ok, parts.join("; ")),
    }
}
