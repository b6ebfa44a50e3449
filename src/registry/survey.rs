//! What the client would use, without asking a registry: the files of credentials and for which registries they
//! have some, and the files of root certificates. Names only: no secret, and no user.

use std::path::{Path, PathBuf};

use super::auth_file::{self, AuthFile};
use super::{Environment, RegistryError, credentials, files, helper, netrc, tls};

/// A file that may hold credentials.
#[derive(Debug, PartialEq, Eq)]
pub struct CredentialSource {
    /// Where it is.
    pub path: PathBuf,
    /// What is there.
    pub state: CredentialState,
}

/// What a file of credentials has.
#[derive(Debug, PartialEq, Eq)]
pub enum CredentialState {
    /// It does not exist.
    Missing,
    /// It cannot be read; why.
    Broken(String),
    /// It was read.
    Read {
        /// Registries, or repositories, that it has credentials for.
        registries: Vec<String>,
        /// Programs that have credentials.
        helpers: Vec<CredentialHelper>,
        /// Registries whose entry is malformed.
        unreadable: Vec<String>,
    },
}

/// A program that has credentials.
#[derive(Debug, PartialEq, Eq)]
pub struct CredentialHelper {
    /// For which registry, or "all registries".
    pub registry: String,
    /// Its file name.
    pub program: String,
    /// Whether there is such a program.
    pub in_path: bool,
}

/// The files that are looked at for credentials, in order. Nothing is asked of helpers.
pub fn credential_sources(environment: &Environment) -> Vec<CredentialSource> {
    let auth_files = match environment.variable("REGISTRY_AUTH_FILE") {
        Some(file) => vec![PathBuf::from(file)],
        None => credentials::usual_files(environment),
    };
    let mut sources: Vec<CredentialSource> = auth_files
        .into_iter()
        .map(|path| {
            let legacy = path.file_name().is_some_and(|name| name == ".dockercfg");
            let state = read(&path, |bytes| {
                AuthFile::parse(bytes, legacy).map(|file| of_auth_file(environment, &file))
            });
            CredentialSource { path, state }
        })
        .collect();
    let path = environment.system("/etc/nix/netrc");
    let state = read(&path, |bytes| {
        let hosts = netrc::hosts(&String::from_utf8_lossy(bytes));
        let registries = hosts.iter().map(|host| name(host)).collect();
        Ok(CredentialState::Read { registries, helpers: Vec::new(), unreadable: Vec::new() })
    });
    sources.push(CredentialSource { path, state });
    sources
}

/// The files and directories that root certificates come from, and how many of them; none where those that are
/// built in are used.
pub fn root_certificates(environment: &Environment) -> Result<Vec<(PathBuf, usize)>, RegistryError> {
    let files = tls::root_files(environment)?;
    let counts = files.into_iter().map(|(path, certificates)| (path, certificates.len()));
    Ok(counts.filter(|(_, count)| *count > 0).collect())
}

fn read(path: &Path, parse: impl Fn(&[u8]) -> Result<CredentialState, String>) -> CredentialState {
    if !path.exists() {
        return CredentialState::Missing;
    }
    let bytes = files::read(path, auth_file::LARGEST).map_err(|e| e.to_string());
    bytes.and_then(|bytes| parse(&bytes)).unwrap_or_else(CredentialState::Broken)
}

fn of_auth_file(environment: &Environment, file: &AuthFile) -> CredentialState {
    let (mut registries, mut unreadable) = (Vec::new(), Vec::new());
    for (key, entry) in file.entries() {
        match entry {
            Ok(true) => registries.push(name(key)),
            // An empty entry says that a helper knows.
            Ok(false) => {}
            Err(_) => unreadable.push(name(key)),
        }
    }
    let helper = |registry: String, program: &str| {
        let program = format!("docker-credential-{}", name(program));
        let in_path = helper::in_path(environment, &program).is_some();
        CredentialHelper { registry, program, in_path }
    };
    let mut helpers: Vec<CredentialHelper> =
        file.helpers().map(|(key, program)| helper(name(key), program)).collect();
    helpers.extend(file.creds_store.iter().map(|program| helper("all registries".to_string(), program)));
    CredentialState::Read { registries, helpers, unreadable }
}

/// A key as it may be shown: without a user and password in a URL, and only if it looks like a name.
fn name(key: &str) -> String {
    let bare = key.trim_start_matches("https://").trim_start_matches("http://");
    let bare = bare.rsplit('@').next().unwrap_or_default();
    let right = |c: char| c.is_ascii_alphanumeric() || "._-:/[]".contains(c);
    match !bare.is_empty() && bare.len() < 300 && bare.chars().all(right) {
        true => bare.to_string(),
        false => "(a key that is not a registry)".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::testing::{environment, script};
    use super::*;

    #[test]
    fn registries_are_named_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth.json");
        let path = script(folder.path(), "docker-credential-there", "exit 1");
        let mut environment = environment(&[("PATH", &path)]);
        environment.variables.insert("REGISTRY_AUTH_FILE".into(), file.display().to_string());
        environment.root = folder.path().to_path_buf();
        let text = r#"{ "auths": { "x.test/team": { "auth": "dTpzZWNyZXQ=" }, "https://u:secret@y.test/v1/":
            { "identitytoken": "secret" }, "empty.test": {}, "bad.test": { "auth": "secret!" } },
            "credHelpers": { "h.test": "there" }, "credsStore": "absent" }"#;
        fs::write(&file, text).unwrap();
        fs::create_dir_all(folder.path().join("etc/nix")).unwrap();
        fs::write(folder.path().join("etc/nix/netrc"), "machine n.test login u password secret").unwrap();

        let sources = credential_sources(&environment);
        let strings = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let helper = |registry: &str, program: &str, in_path| CredentialHelper {
            registry: registry.into(),
            program: program.into(),
            in_path,
        };
        assert_eq!(
            sources[0].state,
            CredentialState::Read {
                registries: strings(&["y.test/v1/", "x.test/team"]),
                helpers: vec![
                    helper("h.test", "docker-credential-there", true),
                    helper("all registries", "docker-credential-absent", false),
                ],
                unreadable: strings(&["bad.test"]),
            }
        );
        assert_eq!(
            sources[1].state,
            CredentialState::Read { registries: strings(&["n.test"]), helpers: vec![], unreadable: vec![] }
        );
        assert!(!format!("{sources:?}").contains("secret"));

        fs::write(&file, "secret").unwrap();
        let broken = &credential_sources(&environment)[0].state;
        assert!(matches!(broken, CredentialState::Broken(what) if !what.contains("secret")), "{broken:?}");
        fs::remove_file(&file).unwrap();
        assert_eq!(credential_sources(&environment)[0].state, CredentialState::Missing);
    }
}
