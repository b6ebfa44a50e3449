//! From a challenge to an `Authorization` header: Basic, or a Bearer token from the token server that the
//! registry names (distribution's token authentication specification; OAuth 2 for identity tokens).

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::RegistryError;
use super::challenge::Challenge;
use super::credentials::Credentials;
use super::transport::{Answer, Request, Transport, may_lead};
use super::url::{Origin, Url, encoded};
use super::watch::Stop;

/// Bytes of a token server's answer (containers/image, `iolimits`).
const LARGEST_ANSWER: u64 = 1 << 20;

/// Bytes of a token; a header has to hold it.
const LONGEST_TOKEN: usize = 48 << 10;

/// Seconds that a token lives when nothing is said, and at least (containers/image).
const SHORTEST_LIFE: u64 = 60;

/// What to send.
#[derive(Clone, Default)]
pub(super) struct Authorization {
    /// The header's value; nothing for anonymous access without a token.
    pub header: Option<String>,
    /// When to get another one.
    pub expires: Option<SystemTime>,
}

/// What the work is for.
pub(super) struct Asking<'a> {
    pub transport: &'a Transport,
    pub registry: &'a Origin,
    pub credentials: Option<&'a Credentials>,
    pub scopes: &'a [String],
    /// How often something is tried that may work a moment later.
    pub tries: u32,
    pub stop: &'a Stop,
}

impl Asking<'_> {
    /// Meets the best of the challenges that can be met: Bearer before Basic.
    pub fn authorize(&self, challenges: &[Challenge]) -> Result<Authorization, RegistryError> {
        let refuse =
            |what: String| Err(RegistryError::Authentication { url: self.registry.to_string(), what });
        let mut unusable = None;
        for challenge in challenges.iter().filter(|challenge| challenge.scheme == "bearer") {
            match self.realm(challenge) {
                Ok(realm) => return self.token(challenge, &realm),
                Err(why) => unusable = unusable.or(Some(why)),
            }
        }
        if challenges.iter().any(|challenge| challenge.scheme == "basic") {
            let header = self.credentials.and_then(Credentials::basic);
            return Ok(Authorization { header, expires: None });
        }
        match (unusable, challenges.first()) {
            (Some(why), _) => refuse(why),
            (None, Some(other)) => refuse(format!(
                "it wants authentication of the scheme {:?}, only Bearer and Basic are supported",
                other.scheme.chars().take(40).collect::<String>()
            )),
            (None, None) => Ok(Authorization::default()),
        }
    }

    /// The token server, if a secret may be sent to it.
    fn realm(&self, challenge: &Challenge) -> Result<Url, String> {
        let realm = challenge.parameter("realm").ok_or("its challenge names no token server (realm)")?;
        let realm =
            Url::parse(realm).map_err(|why| format!("its token server (realm) cannot be used: {why}"))?;
        may_lead(self.registry, self.registry, &realm.origin)
            .map_err(|why| format!("its token server {realm} is not to be asked: {why}"))?;
        // Unprotected secrets stay on this machine, or go where the user sends them anyway.
        let unprotected =
            !realm.origin.tls && !realm.origin.is_loopback() && realm.origin.host != self.registry.host;
        match unprotected && self.credentials.is_some() {
            true => Err(format!("its token server {realm} would get credentials without TLS")),
            false => Ok(realm),
        }
    }

    fn token(&self, challenge: &Challenge, realm: &Url) -> Result<Authorization, RegistryError> {
        if let Some(Credentials::IdentityToken(identity)) = self.credentials {
            let answer = self.traded(challenge, realm, identity)?;
            // Servers without OAuth 2 do not know the method, or the place.
            if !matches!(answer.status, 404 | 405) {
                return self.read(answer);
            }
        }
        let service = challenge.parameter("service").map(|service| ("service", service));
        let scopes = self.scopes.iter().map(|scope| ("scope", scope.as_str()));
        let account = self.credentials.and_then(Credentials::user).map(|user| ("account", user));
        let url = realm.with_query(service.into_iter().chain(scopes).chain(account));
        let authorization = self.credentials.and_then(Credentials::basic);
        let request = Request {
            url: &url,
            headers: &[],
            authorization: authorization.as_deref(),
            form: None,
            deadline: Some(self.transport.deadline()),
        };
        self.read(self.transport.persistent(&request, self.tries, self.stop)?)
    }

    /// An identity token traded for an access token.
    fn traded(&self, challenge: &Challenge, realm: &Url, identity: &str) -> Result<Answer, RegistryError> {
        let scopes = self.scopes.join(" ");
        let fields = [
            ("grant_type", "refresh_token"),
            ("service", challenge.parameter("service").unwrap_or_default()),
            ("scope", scopes.as_str()),
            ("client_id", "gantry"),
            ("refresh_token", identity),
        ];
        let form: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let form = form.join("&");
        let (form, deadline) = (Some(&form[..]), Some(self.transport.deadline()));
        let request = Request { url: realm, headers: &[], authorization: None, form, deadline };
        self.transport.persistent(&request, self.tries, self.stop)
    }

    fn read(&self, answer: Answer) -> Result<Authorization, RegistryError> {
        if answer.status != 200 {
            let advice = match (answer.status, self.credentials) {
                (401 | 403, Some(_)) => "; the token server does not accept the credentials: log in again",
                (401 | 403, None) => "; the token server wants credentials, and there are none: log in first",
                _ => "; this is the registry's token server",
            };
            return Err(answer.refusal(advice));
        }
        let url = answer.url.to_string();
        let bytes = answer.bytes("token server's answer", LARGEST_ANSWER, self.stop)?;
        let now = self.transport.environment.clock.now();
        parse(&bytes, now).map_err(|what| RegistryError::Authentication { url, what: what.to_string() })
    }
}

/// A token server's answer. Errors repeat nothing of it.
fn parse(bytes: &[u8], now: SystemTime) -> Result<Authorization, &'static str> {
    #[derive(Deserialize)]
    struct Token {
        token: Option<String>,
        access_token: Option<String>,
        expires_in: Option<f64>,
        issued_at: Option<String>,
    }
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err("the token server's answer is no JSON object");
    }
    let answer: Token =
        serde_json::from_slice(bytes).map_err(|_| "the token server's answer is no JSON with a token")?;
    let token = [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.is_empty());
    let token = token.ok_or("the token server's answer has no token")?;
    if token.len() > LONGEST_TOKEN || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("the token server's token is no token: too long, or with characters that no header has");
    }
    let issued = answer.issued_at.and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok());
    // Clocks differ; a token from the future is from now.
    let issued = issued.map_or(now, |at| SystemTime::from(at).min(now));
    let life =
        answer.expires_in.map_or(SHORTEST_LIFE, |seconds| (seconds as u64).clamp(SHORTEST_LIFE, 1 << 31));
    Ok(Authorization {
        header: Some(format!("Bearer {token}")),
        expires: Some(issued + Duration::from_secs(life)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, u64), &'static str> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let read = parse(text.as_bytes(), now)?;
        let expires = read.expires.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        Ok((read.header.unwrap(), expires))
    }

    #[test]
    fn tokens_and_their_lives() {
        let is = |token: &str, expires| Ok((format!("Bearer {token}"), expires));
        assert_eq!(read(r#"{"token":"t"}"#), is("t", 1_000_060));
        assert_eq!(read(r#"{"access_token":"a","expires_in":300}"#), is("a", 1_000_300));
        assert_eq!(read(r#"{"token":"","access_token":"a","expires_in":1}"#), is("a", 1_000_060));
        assert_eq!(
            read(r#"{"token":"t","issued_at":"1970-01-12T13:46:30Z","expires_in":100}"#),
            is("t", 1_000_090)
        );
        assert_eq!(read(r#"{"token":"t","issued_at":"2070-01-12T13:46:30Z"}"#), is("t", 1_000_060));
        assert_eq!(read(r#"{"token":"t","issued_at":"yesterday","expires_in":-5}"#), is("t", 1_000_060));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in [
            "",
            "{}",
            "[]",
            "<html>",
            "null",
            r#"{"token":null}"#,
            r#"{"token":""}"#,
            r#"{"token":1}"#,
            r#"["t",null,null,null]"#,
            r#"{"token":"a\r\nX-Evil: b"}"#,
            r#"{"token":"a b"}"#,
            r#"{"token":"é"}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&format!(r#"{{"token":"{}"}}"#, "a".repeat(LONGEST_TOKEN + 1))).is_err());
    }
}
