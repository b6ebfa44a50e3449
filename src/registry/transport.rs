//! Requests and answers: connections, redirects, and trying again. Knows nothing of registries.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ureq::http::{HeaderMap, Request as HttpRequest};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

use super::error::sanitised;
use super::resolve::InTime;
use super::url::{Origin, Url};
use super::watch::Stop;
use super::{Environment, RegistryError, failure, proxy, retry, tls};

/// Redirects in a row; browsers and curl have more, registries need one or two.
const MOST_REDIRECTS: usize = 10;

/// Bytes of the header of an answer.
const LARGEST_HEADER: usize = 64 << 10;

/// Different warnings of servers that are shown.
const MOST_WARNINGS: usize = 20;

/// How long to wait for what. There is no limit for a whole download.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// Until a connection is there, with name resolution, proxy and TLS: 30 s.
    pub connect: Duration,
    /// Until an answer's header is there: 60 s.
    pub answer: Duration,
    /// Between two pieces of a body: 60 s.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        let seconds = Duration::from_secs;
        Timeouts { connect: seconds(30), answer: seconds(60), idle: seconds(60) }
    }
}

pub(super) struct Transport {
    pub environment: Environment,
    /// Whether certificates are checked.
    pub verify: bool,
    timeouts: Timeouts,
    /// How often something is tried that may work a moment later.
    tries: u32,
    /// One for each host: roots, certificate and proxy are the host's.
    agents: Mutex<HashMap<Origin, Agent>>,
    warned: Mutex<HashSet<String>>,
}

pub(super) struct Request<'a> {
    pub url: &'a Url,
    pub headers: &'a [(&'static str, &'a str)],
    /// The value of `Authorization`, for the URL's origin alone.
    pub authorization: Option<&'a str>,
    /// A form to post.
    pub form: Option<&'a str>,
}

pub(super) struct Answer {
    /// Where it came from at last.
    pub url: Url,
    pub status: u16,
    headers: HeaderMap,
    body: Body,
    /// Not to be repeated in messages.
    secret: Option<String>,
}

/// Why there is no answer.
pub(super) struct Failure {
    pub error: RegistryError,
    /// Whether TLS was spoken, but the certificate is not trusted.
    pub certificate: bool,
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Failure {
        Failure { error, certificate: false }
    }
}

impl Transport {
    pub fn new(environment: Environment, verify: bool, timeouts: Timeouts, tries: u32) -> Transport {
        let tries = tries.max(1);
        Transport { environment, verify, timeouts, tries, agents: Mutex::default(), warned: Mutex::default() }
    }

    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Shuts all connections: whoever reads from one gets an error.
    pub fn shut(&self) {
        for (_, agent) in lock(&self.agents).drain() {
            agent.shutdown();
        }
    }

    /// Waits before another try.
    pub fn pause(&self, failures: u32, retry_after: Option<&str>, stop: &Stop) -> Result<(), RegistryError> {
        let clock = &self.environment.clock;
        let wait = retry::wait(failures, retry_after, clock.now(), chance());
        clock.sleep(wait, &|| stop.is_stopped());
        stop.check()
    }

    /// Asks until the answer is none that a moment may change.
    pub fn persistent(&self, request: &Request, stop: &Stop) -> Result<Answer, RegistryError> {
        let mut failures = 0;
        loop {
            stop.check()?;
            let answer = self.follow(request, stop);
            failures += 1;
            let retry_after = match &answer {
                Ok(answer) if retry::is_transient(answer.status) => answer.header("retry-after"),
                Err(error) if error.is_transient() => None,
                _ => return answer,
            };
            if failures >= self.tries {
                return answer;
            }
            let retry_after = retry_after.map(str::to_string);
            drop(answer);
            self.pause(failures, retry_after.as_deref(), stop)?;
        }
    }

    /// Asks, and goes where redirects lead. The authorization goes nowhere but to the origin that was asked first,
    /// and not there either after a detour.
    pub fn follow(&self, request: &Request, stop: &Stop) -> Result<Answer, RegistryError> {
        let home = &request.url.origin;
        let mut url = request.url.clone();
        let mut authorization = request.authorization;
        for _ in 0..=MOST_REDIRECTS {
            let request = Request { url: &url, authorization, ..*request };
            let answer = self.exchange(&request, stop).map_err(|failure| failure.error)?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let refuse = |target: &str, why: &str| {
                let (url, target, why) = (url.to_string(), target.to_string(), why.to_string());
                Err(RegistryError::Target { url, target, why })
            };
            if request.form.is_some() {
                return refuse("another place", "a form with a secret in it is posted to one place only");
            }
            let mut locations = answer.headers("location");
            let (Some(location), None) = (locations.next(), locations.next()) else {
                return refuse("another place", "the redirect has not exactly one readable Location");
            };
            let next = match url.join(location) {
                Ok(next) => next,
                Err(why) => return refuse("another place", why),
            };
            if let Err(why) = may_lead(home, &url.origin, &next.origin) {
                return refuse(&next.to_string(), why);
            }
            if next.origin != *home {
                authorization = None;
            }
            url = next;
        }
        Err(RegistryError::Target {
            url: request.url.to_string(),
            target: url.to_string(),
            why: format!("there were more than {MOST_REDIRECTS} redirects"),
        })
    }

    /// One request, one answer.
    pub fn exchange(&self, request: &Request, stop: &Stop) -> Result<Answer, Failure> {
        stop.check()?;
        let url = request.url;
        let agent = self.agent(&url.origin)?;
        let mut http = HttpRequest::builder().uri(url.secret());
        for (name, value) in
            request.headers.iter().copied().chain(request.authorization.map(|v| ("authorization", v)))
        {
            http = http.header(name, value);
        }
        let broken = |e: &dyn std::fmt::Display| RegistryError::Network {
            url: url.to_string(),
            what: format!("the request cannot be made: {e}"),
            transient: false,
        };
        let answer = match request.form {
            Some(form) => {
                let type_ = ("content-type", "application/x-www-form-urlencoded");
                let http = http.method("POST").header(type_.0, type_.1).body(form.as_bytes().to_vec());
                agent.run(http.map_err(|e| broken(&e))?)
            }
            None => agent.run(http.body(()).map_err(|e| broken(&e))?),
        };
        let answer = answer.map_err(|error| match stop.check() {
            Err(stopped) => stopped.into(),
            Ok(()) => failure::of(url, error),
        })?;
        let (parts, body) = answer.into_parts();
        let secret = request.authorization.map(str::to_string);
        let answer =
            Answer { url: url.clone(), status: parts.status.as_u16(), headers: parts.headers, body, secret };
        self.show_warnings(&answer);
        Ok(answer)
    }

    fn agent(&self, origin: &Origin) -> Result<Agent, RegistryError> {
        let mut agents = lock(&self.agents);
        if let Some(agent) = agents.get(origin) {
            return Ok(agent.clone());
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy::proxy_to(&self.environment, origin)?)
            .tls_config(tls::config(&self.environment, origin, self.verify)?)
            .user_agent(concat!("gantry/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .max_response_header_size(LARGEST_HEADER)
            .timeout_resolve(Some(self.timeouts.connect))
            .timeout_connect(Some(self.timeouts.connect))
            .timeout_recv_response(Some(self.timeouts.answer))
            .timeout_per_read(Some(self.timeouts.idle))
            .timeout_per_write(Some(self.timeouts.idle))
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), InTime);
        agents.insert(origin.clone(), agent.clone());
        Ok(agent)
    }

    /// `Warning: 299 - "text"` (distribution-spec, "Warnings"), each once.
    fn show_warnings(&self, answer: &Answer) {
        for header in answer.headers("warning") {
            let Some(text) = header.trim().strip_prefix("299 - \"").and_then(|rest| rest.strip_suffix('"'))
            else {
                continue;
            };
            let text = sanitised(&text.replace("\\\"", "\"").replace("\\\\", "\\"));
            let mut warned = lock(&self.warned);
            if warned.len() < MOST_WARNINGS && warned.insert(text.clone()) {
                (self.environment.warn)(&format!("{} says: {text}", answer.url.origin));
            }
        }
    }
}

impl Answer {
    /// The only header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    pub fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
    }

    pub fn reader(self) -> impl Read {
        self.body.into_reader()
    }

    /// The body, which is `what` and may have `limit` bytes.
    pub fn bytes(self, what: &str, limit: u64, stop: &Stop) -> Result<Vec<u8>, RegistryError> {
        let url = self.url.clone();
        let mut bytes = Vec::new();
        let read = self.body.into_reader().take(limit + 1).read_to_end(&mut bytes);
        stop.check()?;
        read.map_err(|e| failure::of_body(&url, e))?;
        match bytes.len() as u64 > limit {
            true => Err(RegistryError::document(
                &url.to_string(),
                format!("the {what} has more than {limit} bytes"),
            )),
            false => Ok(bytes),
        }
    }

    /// The answer as the error that it is, with the server's words (distribution-spec, "Error Codes").
    pub fn refusal(self, advice: &'static str) -> RegistryError {
        const LARGEST: u64 = 1 << 20;
        let (url, status, secret) = (self.url.to_string(), self.status, self.secret);
        let mut bytes = Vec::new();
        // Whatever comes of it is good enough.
        let _: io::Result<_> = self.body.into_reader().take(LARGEST).read_to_end(&mut bytes);
        let mut said = failure::words(&bytes);
        if let Some((_, secret)) = secret.as_deref().and_then(|header| header.split_once(' ')) {
            said = said.replace(secret, "…");
        }
        let said = if said.is_empty() { said } else { format!(": {said}") };
        RegistryError::Status { url, status, said, advice }
    }
}

/// Whether a server at `home` may send us from `from` to `to`.
pub(super) fn may_lead(home: &Origin, from: &Origin, to: &Origin) -> Result<(), &'static str> {
    if from.tls && !to.tls {
        return Err("it leads from https to http");
    }
    if to.host == home.host {
        return Ok(());
    }
    // Servers that make their clients ask inside the client's network (CVE-2020-15157's relatives).
    if to.is_link_local() {
        return Err("no server has a reason to send anybody to a link-local address");
    }
    if to.is_internal() && !home.is_internal() {
        return Err("a server outside has no reason to send anybody to a private address");
    }
    Ok(())
}

/// From 0 to 1, by chance: the standard library's hashers are seeded with it.
fn chance() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1u64 << 53) as f64
}

/// What a thread left behind that panicked is still a map.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_lead_to_public_places_or_stay_at_home() {
        let origin = |url: &str| Url::parse(url).unwrap().origin;
        for (home, to, right) in [
            ("https://r.test", "https://cdn.test", true),
            ("https://r.test", "http://cdn.test", false),
            ("https://r.test", "https://10.0.0.1", false),
            ("https://r.test", "https://localhost", false),
            ("https://r.test", "https://[::1]", false),
            ("https://r.test", "https://[::ffff:a00:1]", false),
            ("https://8.8.8.8", "https://192.168.0.1", false),
            ("https://10.0.0.1", "https://10.0.0.2", true),
            ("http://localhost", "http://127.0.0.1:5000", true),
            ("http://localhost", "http://169.254.169.254", false),
            ("http://10.0.0.1", "http://[fe80::1]", false),
            ("http://169.254.0.1", "http://169.254.0.1:81", true),
            ("http://r.test", "https://cdn.test", true),
        ] {
            let found = may_lead(&origin(home), &origin(home), &origin(to));
            assert_eq!(found.is_ok(), right, "{home} {to}: {found:?}");
        }
    }
}
