//! Who the user is to a registry: looked up as skopeo does (containers-auth.json(5), docker's config.json),
//! then in Nix's netrc.
//!
//! A file that was asked for by option or `REGISTRY_AUTH_FILE` is the only one, and must be right. The files that
//! merely happen to be there are passed over with a warning when they are broken: a public image needs none.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::reference::DOCKER_HUB;
use super::{Environment, RegistryError, auth_file, files, helper, netrc};

/// What lets a user in. Shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    Password {
        user: String,
        password: String,
    },
    /// To be traded for an access token (OAuth 2 refresh token).
    IdentityToken(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

impl Credentials {
    /// The value of an `Authorization` header of the scheme Basic (RFC 7617).
    pub fn basic(&self) -> Option<String> {
        match self {
            Credentials::Password { user, password } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            Credentials::IdentityToken(_) => None,
        }
    }

    pub fn user(&self) -> Option<&str> {
        match self {
            Credentials::Password { user, .. } => Some(user),
            Credentials::IdentityToken(_) => None,
        }
    }
}

/// Where credentials may be besides the usual places.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// The only auth.json to look at.
    pub auth_file: Option<PathBuf>,
    /// Instead of `/etc/nix/netrc`.
    pub netrc: Option<PathBuf>,
}

/// The credentials for a repository.
pub(super) fn find(
    environment: &Environment,
    places: &Places,
    registry: &str,
    repository: &str,
) -> Result<Option<Credentials>, RegistryError> {
    let asked = match (&places.auth_file, environment.variable("REGISTRY_AUTH_FILE")) {
        (Some(file), _) if !file.exists() => return Err(RegistryError::file(file, "it does not exist")),
        (Some(file), _) => Some(file.clone()),
        // Profiles set the variable before the first login makes the file.
        (None, Some(file)) => Some(PathBuf::from(file)),
        (None, None) => None,
    };
    let found = match &asked {
        Some(file) => in_file(environment, file, registry, repository)?,
        None => usual_files(environment)
            .iter()
            .find_map(|file| passed_over(environment, in_file(environment, file, registry, repository))),
    };
    if found.is_some() {
        return Ok(found);
    }
    let netrc = places.netrc.clone().unwrap_or_else(|| environment.system("/etc/nix/netrc"));
    let in_netrc = || -> Result<_, RegistryError> {
        if !netrc.exists() {
            return Ok(None);
        }
        let text = files::read(&netrc, auth_file::LARGEST).map_err(|e| RegistryError::file(&netrc, e))?;
        let host =
            registry.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(registry, |(h, _)| h);
        let host = if registry == DOCKER_HUB { "registry-1.docker.io" } else { host };
        Ok(netrc::find(&String::from_utf8_lossy(&text), host))
    };
    Ok(passed_over(environment, in_netrc()))
}

fn passed_over(
    environment: &Environment,
    found: Result<Option<Credentials>, RegistryError>,
) -> Option<Credentials> {
    found.unwrap_or_else(|error| {
        (environment.warn)(&format!("going on without these credentials: {error}"));
        None
    })
}

/// Where skopeo and Docker keep credentials, in skopeo's order.
pub(super) fn usual_files(environment: &Environment) -> Vec<PathBuf> {
    let directory = |name: &str| environment.variable(name).map(PathBuf::from);
    let in_home = |path: &str| environment.home.as_ref().map(|home| home.join(path));
    let run = environment.system(&format!("/run/containers/{}", environment.uid));
    [
        Some(directory("XDG_RUNTIME_DIR").map_or(run, |run| run.join("containers")).join("auth.json")),
        directory("XDG_CONFIG_HOME").or_else(|| in_home(".config")).map(|at| at.join("containers/auth.json")),
        directory("DOCKER_CONFIG").or_else(|| in_home(".docker")).map(|at| at.join("config.json")),
        in_home(".dockercfg"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn in_file(
    environment: &Environment,
    path: &Path,
    registry: &str,
    repository: &str,
) -> Result<Option<Credentials>, RegistryError> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = files::read(path, auth_file::LARGEST).map_err(|e| RegistryError::file(path, e))?;
    let legacy = path.file_name().is_some_and(|name| name == ".dockercfg");
    let file = auth_file::AuthFile::parse(&bytes, legacy).map_err(|what| RegistryError::file(path, what))?;
    let ask = |program: &str, server: &str| {
        helper::get(environment, program, server).map_err(|what| RegistryError::file(path, what))
    };
    // A helper for just this registry comes first; it is asked for the name that it is configured under.
    if let Some((server, program)) = file.helper(registry)
        && let Some(found) = passed_over(environment, ask(program, server))
    {
        return Ok(Some(found));
    }
    if let Some(found) = file.entry(registry, repository).map_err(|what| RegistryError::file(path, what))? {
        return Ok(Some(found));
    }
    let Some(program) = &file.creds_store else { return Ok(None) };
    let server = if registry == DOCKER_HUB { auth_file::HUB_KEY } else { registry };
    Ok(passed_over(environment, ask(program, server)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::{Arc, Mutex};

    use super::super::testing::{self, environment};
    use super::*;

    fn entry(user: &str) -> String {
        let auth = STANDARD.encode(format!("{user}:secret:with:colons"));
        format!(r#"{{ "auths": {{ "x.test": {{ "auth": "{auth}" }} }} }}"#)
    }

    fn user(environment: &Environment, places: &Places) -> Result<Option<String>, String> {
        let found = find(environment, places, "x.test", "team/app").map_err(|e| e.to_string())?;
        if let Some(Credentials::Password { password, .. }) = &found {
            assert_eq!(password, "secret:with:colons");
        }
        Ok(found.and_then(|found| found.user().map(str::to_string)))
    }

    #[test]
    fn files_are_read_in_skopeos_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let mut environment = environment(&[]);
        environment.home = Some(at("home"));
        environment.root = at("root");
        let none = Places::default();
        assert_eq!(user(&environment, &none), Ok(None));
        fs::create_dir_all(at("root/etc/nix")).unwrap();
        fs::write(at("root/etc/nix/netrc"), "machine x.test login netrc password secret:with:colons")
            .unwrap();
        assert_eq!(user(&environment, &none).unwrap().unwrap(), "netrc");
        for path in [
            "home/.docker/config.json",
            "home/.config/containers/auth.json",
            "root/run/containers/1000/auth.json",
        ] {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), entry(path)).unwrap();
            assert_eq!(user(&environment, &none).unwrap().unwrap(), path);
        }
        for (variable, path) in [("DOCKER_CONFIG", "d"), ("XDG_CONFIG_HOME", "c"), ("XDG_RUNTIME_DIR", "r")] {
            let file = at(path).join(if path == "d" { "config.json" } else { "containers/auth.json" });
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, entry(path)).unwrap();
            environment.variables.insert(variable.to_string(), at(path).display().to_string());
        }
        assert_eq!(user(&environment, &none).unwrap().unwrap(), "r");
        fs::write(at("asked"), entry("asked")).unwrap();
        environment.variables.insert("REGISTRY_AUTH_FILE".to_string(), at("asked").display().to_string());
        assert_eq!(user(&environment, &none).unwrap().unwrap(), "asked");
        fs::write(at("given"), entry("given")).unwrap();
        let given = Places { auth_file: Some(at("given")), netrc: None };
        assert_eq!(user(&environment, &given).unwrap().unwrap(), "given");
    }

    #[test]
    fn a_broken_file_is_an_error_when_asked_for_and_a_warning_when_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".docker/config.json");
        fs::create_dir(file.parent().unwrap()).unwrap();
        let asked = Places { auth_file: Some(file.clone()), netrc: None };
        let warnings = Arc::new(Mutex::new(Vec::<String>::new()));
        let heard = warnings.clone();
        let mut environment = environment(&[]);
        environment.home = Some(folder.path().to_path_buf());
        environment.warn = Arc::new(move |text| heard.lock().unwrap().push(text.to_string()));
        let no_colon = STANDARD.encode("secretwithoutcolon");
        for (broken, says) in [
            ("{ secret".to_string(), "no JSON"),
            ("[]".to_string(), "no JSON"),
            (r#"{"auths":{"x.test":{"auth":"secret%"}}}"#.to_string(), "no base64"),
            (format!(r#"{{"auths":{{"x.test":{{"auth":"{no_colon}"}}}}}}"#), "no colon"),
        ] {
            fs::write(&file, &broken).unwrap();
            let error = user(&environment, &asked).unwrap_err();
            assert!(
                error.contains(says) && error.contains("config.json") && !error.contains("secret"),
                "{error}"
            );
            assert_eq!(user(&environment, &Places::default()), Ok(None));
            let warning = warnings.lock().unwrap().pop().unwrap();
            assert!(warning.contains(says) && !warning.contains("secret"), "{warning}");
        }
        fs::write(&file, r#"{"auths":{"x.test":{}}}"#).unwrap();
        assert_eq!(user(&environment, &asked), Ok(None));
        fs::remove_file(&file).unwrap();
        assert!(user(&environment, &asked).unwrap_err().contains("does not exist"));
        fs::create_dir(&file).unwrap();
        assert!(user(&environment, &asked).unwrap_err().contains("not a file"));
        assert_eq!(user(&environment, &Places::default()), Ok(None));
    }

    #[test]
    fn helpers_and_stores_are_asked() {
        let folder = tempfile::tempdir().unwrap();
        let answer = r#"{"ServerURL":"","Username":"<token>","Secret":"identity"}"#;
        let script = format!("read -r server; [ \"$server\" = x.test ] && echo '{answer}'");
        let path = testing::script(folder.path(), "docker-credential-x", &script);
        let environment = environment(&[("PATH", &path)]);
        for config in [r#"{"credHelpers":{"x.test":"x"}}"#, r#"{"credsStore":"x","auths":{"x.test":{}}}"#] {
            let file = folder.path().join("config.json");
            fs::write(&file, config).unwrap();
            let places = Places { auth_file: Some(file), netrc: None };
            let found = find(&environment, &places, "x.test", "app").unwrap();
            assert_eq!(found, Some(Credentials::IdentityToken("identity".to_string())));
        }
    }
}
