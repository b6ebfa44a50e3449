//! What the HTTP library and servers say, in our words.

use std::io;

use serde::Deserialize;

use super::RegistryError;
use super::error::sanitised;
use super::transport::Failure;
use super::url::Url;

/// Why there was no answer.
pub(super) fn of(url: &Url, error: ureq::Error) -> Failure {
    let network = |what: String, transient: bool| Failure {
        error: RegistryError::Network { url: url.to_string(), what, transient },
        certificate: false,
    };
    match error {
        ureq::Error::Timeout(which) => network(format!("no answer in time ({which})"), true),
        ureq::Error::HostNotFound => network("the host's name is not known here".to_string(), false),
        ureq::Error::ConnectProxyFailed(what) => {
            network(format!("the proxy does not let us through: {what}; see https_proxy and no_proxy"), false)
        }
        ureq::Error::Rustls(error) => of_tls(url, &error),
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(error) => of_tls(url, error),
            None => {
                let transient = is_transient(&error);
                network(error.to_string(), transient)
            }
        },
        ureq::Error::LargeResponseHeader(..) => {
            network("the header of its answer is too large".to_string(), false)
        }
        // ureq's own words have no URL and no header in them for these.
        error @ (ureq::Error::Protocol(_) | ureq::Error::Tls(_)) => {
            network(format!("its answer is no sound HTTP: {}", sanitised(&error.to_string())), false)
        }
        _ => network("the request failed".to_string(), false),
    }
}

fn of_tls(url: &Url, error: &rustls::Error) -> Failure {
    use rustls::{CertificateError::*, Error::*};
    let advice = match error {
        InvalidCertificate(Expired | ExpiredContext { .. }) => {
            "its time is over, or this machine's clock is wrong"
        }
        InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => "it is for another host",
        InvalidCertificate(_) => {
            "trust its CA with SSL_CERT_FILE or in /etc/containers/certs.d/HOST/ca.crt (which needs version 3, and \
             the server's certificate a subjectAltName), or turn verification off"
        }
        _ => "",
    };
    let certificate = matches!(error, InvalidCertificate(_) | NoCertificatesPresented);
    let what = format!("TLS: {error}{}{advice}", if advice.is_empty() { "" } else { "; " });
    Failure { error: RegistryError::Network { url: url.to_string(), what, transient: false }, certificate }
}

/// Why a body ended before its end.
pub(super) fn of_body(url: &Url, error: io::Error) -> RegistryError {
    let transient = is_transient(&error);
    match error.downcast::<ureq::Error>() {
        Ok(error) => of(url, error).error,
        Err(error) => RegistryError::Network { url: url.to_string(), what: error.to_string(), transient },
    }
}

/// What happens to good connections. A refused one is no accident.
fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        ConnectionReset
            | ConnectionAborted
            | BrokenPipe
            | UnexpectedEof
            | TimedOut
            | WouldBlock
            | NotConnected
    )
}

/// The message in the body of an error: of a registry, of a token server, or plain text.
pub(super) fn words(body: &[u8]) -> String {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Errors {
        errors: Vec<One>,
        details: String,
        error_description: String,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct One {
        code: String,
        message: String,
    }
    let text = String::from_utf8_lossy(body);
    let said = match serde_json::from_slice::<Errors>(body) {
        Ok(all) if !all.errors.is_empty() => {
            let one = |error: &One| match error.code.is_empty() {
                true => error.message.clone(),
                false => format!("{} ({})", error.message, error.code),
            };
            all.errors.iter().take(3).map(one).collect::<Vec<_>>().join("; ")
        }
        Ok(all) if !all.details.is_empty() => all.details,
        Ok(all) if !all.error_description.is_empty() => all.error_description,
        // A page for browsers says nothing in one line.
        _ if text.trim_start().starts_with('<') => String::new(),
        _ => text.into_owned(),
    };
    sanitised(&said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_servers() {
        // Docker Hub's, shortened.
        let hub =
            br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
        assert_eq!(words(hub), "You have reached your pull rate limit. (TOOMANYREQUESTS)");
        assert_eq!(
            words(br#"{"details":"incorrect username or password"}"#),
            "incorrect username or password"
        );
        assert_eq!(words(b"<html><body>nginx</body></html>"), "");
        assert_eq!(words(b"no\nsuch \x1b[0m page"), "no such [0m page");
        assert_eq!(words(b""), "");
    }
}
