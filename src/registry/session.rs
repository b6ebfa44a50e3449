//! A repository on a host, with what it takes to be let in.

use std::sync::{Arc, Mutex};

use super::RegistryError;
use super::challenge::Challenge;
use super::credentials::Credentials;
use super::limits::Deadline;
use super::mirror::Place;
use super::token::{Asking, Authorization};
use super::transport::{Answer, Request, Transport, lock};
use super::url::{Origin, Url};
use super::watch::Stop;

pub(super) struct Session {
    transport: Arc<Transport>,
    origin: Origin,
    repository: String,
    credentials: Option<Credentials>,
    tries: u32,
    access: Mutex<Access>,
}

/// What the registry said about being let in, and what came of it.
struct Access {
    challenges: Vec<Challenge>,
    scopes: Vec<String>,
    current: Option<Authorization>,
}

impl Session {
    /// Finds out how the registry at `place` is spoken to (distribution-spec, end-1), and opens a repository.
    pub fn open(
        transport: Arc<Transport>,
        place: &Place,
        credentials: Option<Credentials>,
        stop: &Stop,
    ) -> Result<Session, RegistryError> {
        // After a mirror there is another place to ask, which costs less time than waiting for this one.
        let tries = if place.is_mirror { 1 } else { transport.tries() };
        let (origin, challenges) = ping(&transport, &place.host, tries, stop)?;
        let repository = place.repository.clone();
        let access =
            Access { challenges, scopes: vec![format!("repository:{repository}:pull")], current: None };
        Ok(Session { transport, origin, repository, credentials, tries, access: Mutex::new(access) })
    }

    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// How often something is tried that may work a moment later.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// The URL of a manifest or blob.
    pub fn url(&self, kind: &str, name: &str) -> Url {
        Url::new(&self.origin, format!("/v2/{}/{kind}/{name}", self.repository))
    }

    /// Asks the registry: with a token if it wants one, once more if that was not, or no longer, the right one.
    pub fn get(
        &self,
        url: &Url,
        headers: &[(&'static str, &str)],
        deadline: Option<Deadline>,
        stop: &Stop,
    ) -> Result<Answer, RegistryError> {
        let mut refreshed = false;
        let mut widened = false;
        loop {
            let header = self.authorization(stop)?;
            let authorization = header.as_deref();
            let request = Request { url, headers, authorization, form: None, deadline };
            let answer = self.transport.persistent(&request, self.tries, stop)?;
            // Whoever else says 401, after a redirect, gets nothing.
            if !matches!(answer.status, 401 | 403) || answer.url.origin != self.origin {
                return Ok(answer);
            }
            let challenges = Challenge::parse(answer.headers("www-authenticate"));
            let insufficient = challenges.iter().find(|c| c.parameter("error") == Some("insufficient_scope"));
            let scope = insufficient.and_then(|challenge| challenge.parameter("scope")).map(str::to_string);
            let mut access = lock(&self.access);
            match scope {
                Some(scope) if !widened => {
                    widened = true;
                    if !access.scopes.contains(&scope) && access.scopes.len() < 8 {
                        access.scopes.push(scope);
                    }
                }
                _ if answer.status == 401 && !refreshed => refreshed = true,
                _ => return Ok(answer),
            }
            if !challenges.is_empty() {
                access.challenges = challenges;
            }
            // Unless another thread has got a new one in the meantime.
            if access.current.as_ref().is_some_and(|current| current.header.as_deref() == authorization) {
                access.current = None;
            }
        }
    }

    /// What to do about a refusal.
    pub fn advice(&self, status: u16) -> &'static str {
        match (status, &self.credentials) {
            (401, None) => {
                "; there are no credentials for it here: log in with `podman login` or `docker login`"
            }
            (401, Some(_)) => "; the credentials for it are not accepted: log in again",
            (403, None) => "; it may need credentials, and there are none here: log in first",
            (403, Some(_)) => "; the user has no right to it",
            (404, None) => "; there is no such thing, or it needs credentials, and there are none here",
            (404, Some(_)) => "; there is no such thing, or the user may not see it",
            (429, None) => "; log in for a higher limit, or try later",
            (429, Some(_)) => "; try later",
            _ => "",
        }
    }

    fn authorization(&self, stop: &Stop) -> Result<Option<String>, RegistryError> {
        // Held while a token is fetched: other threads want the same one.
        let mut access = lock(&self.access);
        let now = self.transport.environment.clock.now();
        if let Some(current) = &access.current
            && current.expires.is_none_or(|expires| now < expires)
        {
            return Ok(current.header.clone());
        }
        let asking = Asking {
            transport: &self.transport,
            registry: &self.origin,
            credentials: self.credentials.as_ref(),
            scopes: &access.scopes,
            tries: self.tries,
            stop,
        };
        let authorization = asking.authorize(&access.challenges)?;
        let header = authorization.header.clone();
        access.current = Some(authorization);
        Ok(header)
    }
}

/// The scheme that the host speaks, and its challenges.
///
/// Without TLS only this machine is spoken to, or, where verification is turned off, whoever does not speak it.
/// On this machine plain HTTP comes first: development registries mostly speak it, and one that does not says so
/// at once, whereas a plain server may wait for ever for the rest of a TLS greeting.
fn ping(
    transport: &Transport,
    authority: &str,
    tries: u32,
    stop: &Stop,
) -> Result<(Origin, Vec<Challenge>), RegistryError> {
    let origin = |tls| {
        Origin::new(tls, authority).ok_or_else(|| RegistryError::Reference {
            found: authority.to_string(),
            what: "it is no HOST[:PORT]".to_string(),
        })
    };
    let schemes: &[bool] = match (origin(true)?.is_loopback(), transport.verify) {
        (true, _) => &[false, true],
        (false, true) => &[true],
        (false, false) => &[true, false],
    };
    let deadline = Some(transport.deadline());
    let mut failed: Option<RegistryError> = None;
    for (at, tls) in schemes.iter().enumerate() {
        let last = at + 1 == schemes.len();
        let origin = origin(*tls)?;
        let url = Url::new(&origin, "/v2/".to_string());
        let request = Request { url: &url, headers: &[], authorization: None, form: None, deadline };
        // A redirect of the ping is an answer like any other: somebody is there.
        match transport.exchange(&request, stop) {
            // What servers with TLS say to those without it.
            Ok(answer) if !last && answer.status == 400 => failed = Some(answer.refusal("")),
            Ok(answer) => return Ok((origin, Challenge::parse(answer.headers("www-authenticate")))),
            Err(failure) if failure.certificate => return Err(failure.error),
            Err(failure) if matches!(failure.error, RegistryError::Cancelled) => return Err(failure.error),
            Err(failure) => failed = failed.or(Some(failure.error)),
        }
    }
    match failed {
        Some(error) if !error.is_transient() || tries == 1 => Err(error),
        _ => {
            let origin = origin(schemes[0])?;
            let url = Url::new(&origin, "/v2/".to_string());
            let request = Request { url: &url, headers: &[], authorization: None, form: None, deadline };
            let answer = transport.persistent(&request, tries, stop)?;
            Ok((origin, Challenge::parse(answer.headers("www-authenticate"))))
        }
    }
}
