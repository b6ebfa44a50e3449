//! Which certificates registries are trusted by.

use super::{Check, Status};
use crate::registry::{Environment, root_certificates};

/// Reads the roots, as pulling does.
pub fn examine(environment: &Environment) -> Check {
    let check = |status, found: String| Check::new("certificates", "certificates", status, found);
    let missing = ["NIX_SSL_CERT_FILE", "SSL_CERT_FILE"]
        .into_iter()
        .filter_map(|name| environment.variable(name).map(|file| (name, file)))
        .find(|(_, file)| !std::path::Path::new(file).exists());
    let found = match root_certificates(environment) {
        Ok(files) if files.is_empty() => "Mozilla's, built in: this machine has none".to_string(),
        Ok(files) => {
            let files: Vec<String> =
                files.iter().map(|(path, count)| format!("{count} of {}", path.display())).collect();
            files.join(", ")
        }
        Err(e) => {
            return check(Status::Warning, format!("cannot be read: {e}"))
                .advise("correct the file, or set NIX_SSL_CERT_FILE to one with PEM certificates");
        }
    };
    match missing {
        Some((name, file)) => {
            check(Status::Warning, format!("{name} names {file}, which does not exist; in use: {found}"))
                .advise(format!("correct or unset {name}"))
        }
        None => check(Status::Ok, found),
    }
}
