//! Entrances for the fuzz targets in `tests/fuzz`, to readers of what a registry or a credentials file says that
//! nothing outside this room calls. No part of the interface.

use std::time::{Duration, SystemTime};

use super::auth_file::AuthFile;
use super::challenge::Challenge;
use super::credentials::Credentials;
use super::url::Url;
use super::{documents, netrc, range, retry};

/// The challenges of `WWW-Authenticate` headers: scheme and parameters.
pub fn challenges(headers: &[&str]) -> Vec<(String, Vec<(String, String)>)> {
    let challenges = Challenge::parse(headers.iter().copied()).into_iter();
    challenges.map(|challenge| (challenge.scheme, challenge.parameters)).collect()
}

/// Whether `Content-Range` headers mean the bytes `from` to the end of `total`.
pub fn is_rest(headers: &[&str], from: u64, total: u64) -> bool {
    range::is_rest(headers.iter().copied(), from, total)
}

/// The pause that a server asks for with this `Retry-After`.
pub fn pause(retry_after: &str) -> Option<Duration> {
    retry::after(retry_after, SystemTime::UNIX_EPOCH)
}

/// Where the header `Location` leads to from the URL `base`: the whole URL, and what is shown of it.
pub fn location(base: &str, location: &str) -> Option<(String, String)> {
    let url = Url::parse(base).ok()?.join(location).ok()?;
    Some((url.secret(), url.to_string()))
}

/// User and password, or an identity token, that a credentials file has for a repository.
pub fn credentials(
    file: &[u8],
    legacy: bool,
    registry: &str,
    repository: &str,
) -> Result<Option<(String, String)>, String> {
    let file = AuthFile::parse(file, legacy)?;
    file.entries().for_each(drop);
    file.helpers().for_each(drop);
    file.helper(registry);
    Ok(file.entry(registry, repository)?.map(shown))
}

/// The hosts that a netrc has a password for, with user and password.
pub fn netrc(text: &str) -> Vec<(String, Option<(String, String)>)> {
    let hosts = netrc::hosts(text).into_iter();
    hosts.map(|host| (host.clone(), netrc::find(text, &host).map(shown))).collect()
}

/// User and password that a netrc has for a host.
pub fn netrc_of(text: &str, host: &str) -> Option<(String, String)> {
    netrc::find(text, host).map(shown)
}

/// Reads a manifest or an index that was sent as `content_type`; says which media type it has.
pub fn document(bytes: &[u8], content_type: Option<&str>) -> Result<String, String> {
    documents::parse(bytes, content_type, "it").map(|(media_type, _)| media_type).map_err(|e| e.to_string())
}

/// Whether a configuration is one of an image of so many layers.
pub fn check_config(bytes: &[u8], layers: usize) -> Result<(), String> {
    documents::check_config(bytes, layers, "it").map_err(|e| e.to_string())
}

fn shown(credentials: Credentials) -> (String, String) {
    match credentials {
        Credentials::Password { user, password } => (user, password),
        Credentials::IdentityToken(token) => (String::new(), token),
    }
}
