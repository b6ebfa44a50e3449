//! Whom to trust, and with which certificate to introduce oneself.
//!
//! Roots: `NIX_SSL_CERT_FILE` or `SSL_CERT_FILE`, with `SSL_CERT_DIR`; else the system's; else Mozilla's, built
//! in (a sandbox may have none). For one host: `certs.d/HOST[:PORT]/` with `*.crt` (more roots) and `*.cert` with
//! `*.key` (the client's own), in the places of containers and Docker (containers-certs.d(5)).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::url::Origin;
use super::{Environment, RegistryError};

/// Go's list (crypto/x509/root_linux.go), and NixOS's.
const SYSTEM: [&str; 7] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs/ca-bundle.crt",
];

/// TLS as it is to be with `origin`.
pub(super) fn config(
    environment: &Environment,
    origin: &Origin,
    verify: bool,
) -> Result<TlsConfig, RegistryError> {
    let mut roots = roots(environment)?;
    let (own_roots, client) = for_host(environment, origin)?;
    roots.extend(own_roots);
    let roots = match roots.is_empty() {
        true => RootCerts::WebPki,
        false => RootCerts::from(roots),
    };
    Ok(TlsConfig::builder().root_certs(roots).client_cert(client).disable_verification(!verify).build())
}

fn roots(environment: &Environment) -> Result<Vec<Certificate<'static>>, RegistryError> {
    Ok(root_files(environment)?.into_iter().flat_map(|(_, certificates)| certificates).collect())
}

/// The files and directories that roots come from, with those of each.
pub(super) fn root_files(
    environment: &Environment,
) -> Result<Vec<(PathBuf, Vec<Certificate<'static>>)>, RegistryError> {
    let files = ["NIX_SSL_CERT_FILE", "SSL_CERT_FILE"];
    let named = files.iter().find_map(|name| environment.variable(name)).map(PathBuf::from);
    // Builds get these variables from Nix (/no-cert-file.crt) or its daemon, for whom the file is there; in
    // the sandbox it need not be.
    let named = named.filter(|path| path.exists());
    let folders = environment.variable("SSL_CERT_DIR");
    let mut found = Vec::new();
    if let Some(path) = &named {
        let pem = read(path).map_err(|e| RegistryError::file(path, e))?;
        found.push((path.clone(), certificates(path, &pem)?));
    }
    for folder in folders.unwrap_or_default().split(':').filter(|folder| !folder.is_empty()) {
        // A directory of roots has other files, too.
        let of_file = |path: PathBuf| read(&path).ok().and_then(|pem| certificates(&path, &pem).ok());
        let roots: Vec<_> = entries(Path::new(folder)).into_iter().filter_map(of_file).flatten().collect();
        found.push((PathBuf::from(folder), roots));
    }
    if named.is_none() && folders.is_none() {
        let system = SYSTEM.iter().map(|path| environment.system(path));
        if let Some((path, pem)) = system.into_iter().find_map(|path| Some((path.clone(), read(&path).ok()?)))
        {
            let certificates = certificates(&path, &pem)?;
            found.push((path, certificates));
        }
    }
    Ok(found)
}

/// Roots and the client's certificate from the first `certs.d` that knows the host.
fn for_host(
    environment: &Environment,
    origin: &Origin,
) -> Result<(Vec<Certificate<'static>>, Option<ClientCert>), RegistryError> {
    let own = environment.home.iter().map(|home| home.join(".config/containers/certs.d"));
    let system = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(|path| environment.system(path));
    let with_port = format!("{}:{}", origin.host, origin.port);
    let names = [Some(&with_port), (origin.port == 443).then_some(&origin.host)];
    let folder = own
        .chain(system)
        .flat_map(|certs| names.into_iter().flatten().map(move |name| certs.join(name)))
        .find(|folder| folder.is_dir());
    let Some(folder) = folder else { return Ok((Vec::new(), None)) };

    let mut roots = Vec::new();
    let mut client = None;
    for path in entries(&folder) {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => {
                let pem = read(&path).map_err(|e| RegistryError::file(&path, e))?;
                roots.extend(certificates(&path, &pem)?);
            }
            Some("cert") => {
                let key_path = path.with_extension("key");
                if !key_path.is_file() {
                    return Err(RegistryError::file(
                        &path,
                        format!("its key is missing: {}", key_path.display()),
                    ));
                }
                let pem = read(&path).map_err(|e| RegistryError::file(&path, e))?;
                let chain = certificates(&path, &pem)?;
                let key = read(&key_path).map_err(|e| RegistryError::file(&key_path, e))?;
                let key = PrivateKey::from_pem(&key)
                    .map_err(|_| RegistryError::file(&key_path, "no PEM key in it"))?;
                client.get_or_insert(ClientCert::new_with_certs(&chain, key));
            }
            Some("key") if !path.with_extension("cert").is_file() => {
                let missing = path.with_extension("cert");
                return Err(RegistryError::file(
                    &path,
                    format!("its certificate is missing: {}", missing.display()),
                ));
            }
            _ => {}
        }
    }
    Ok((roots, client))
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let items: Result<Vec<_>, _> = parse_pem(pem).collect();
    let items = items.map_err(|_| RegistryError::file(path, "it is broken PEM"))?;
    let only = |item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    };
    let found: Vec<_> = items.into_iter().filter_map(only).collect();
    match found.is_empty() {
        true => Err(RegistryError::file(path, "there is no PEM certificate in it")),
        false => Ok(found),
    }
}

/// The files of a directory, by name; none if it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    super::files::read(path, 16 << 20)
}

#[cfg(test)]
mod tests {
    use super::super::testing::environment;
    use super::*;

    // Any PEM will do: it is only parsed here. tests/registry_pull.rs has real certificates and handshakes.
    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

    #[test]
    fn roots_come_from_the_first_place_that_has_some() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::write(path("one"), PEM).unwrap();
        fs::write(path("two"), PEM.repeat(2)).unwrap();
        fs::write(path("none"), "no PEM").unwrap();
        let count = |variables: &[(&str, &str)]| roots(&environment(variables)).map(|found| found.len()).ok();
        assert_eq!(count(&[("SSL_CERT_FILE", &path("two"))]), Some(2));
        assert_eq!(count(&[("SSL_CERT_FILE", &path("two")), ("NIX_SSL_CERT_FILE", &path("one"))]), Some(1));
        assert_eq!(count(&[("NIX_SSL_CERT_FILE", "/no-cert-file.crt")]), Some(0));
        assert_eq!(count(&[("SSL_CERT_FILE", &path("none"))]), None);
        assert_eq!(count(&[("SSL_CERT_FILE", &path("missing"))]), Some(0));
        assert_eq!(count(&[("SSL_CERT_DIR", &folder.path().display().to_string())]), Some(3));

        let mut with_system = environment(&[]);
        with_system.root = folder.path().to_path_buf();
        fs::create_dir_all(folder.path().join("etc/ssl/certs")).unwrap();
        fs::write(folder.path().join("etc/ssl/certs/ca-certificates.crt"), PEM.repeat(3)).unwrap();
        assert_eq!(roots(&with_system).unwrap().len(), 3);
    }

    #[test]
    fn a_hosts_folder_has_roots_and_whole_pairs() {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = environment(&[]);
        environment.home = Some(folder.path().to_path_buf());
        let host = folder.path().join(".config/containers/certs.d/x.test:5000");
        fs::create_dir_all(&host).unwrap();
        let origin = Origin::new(true, "x.test:5000").unwrap();
        let found = || for_host(&environment, &origin).map(|(roots, client)| (roots.len(), client.is_some()));
        fs::write(host.join("ca.crt"), PEM).unwrap();
        fs::write(host.join("client.cert"), PEM).unwrap();
        assert!(found().unwrap_err().to_string().contains("its key is missing"));
        fs::write(host.join("client.key"), KEY).unwrap();
        assert_eq!(found().unwrap(), (1, true));
        fs::remove_file(host.join("client.cert")).unwrap();
        assert!(found().unwrap_err().to_string().contains("its certificate is missing"));
        let other = Origin::new(true, "x.test").unwrap();
        assert!(
            for_host(&environment, &other).is_ok_and(|(roots, client)| roots.is_empty() && client.is_none())
        );
    }
}
