//! Requests and answers: connections, redirects, and trying again. Knows nothing of registries.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ureq::http::{HeaderMap, Request as HttpRequest};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

use super::error::sanitised;
use super::limits::{self, Deadline, Limits, in_seconds};
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

pub(super) struct Transport {
    pub environment: Environment,
    /// Whether certificates are checked.
    pub verify: bool,
    pub limits: Limits,
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
    /// When the whole answer has to be there; a blob has none.
    pub deadline: Option<Deadline>,
}

pub(super) struct Answer {
    /// Where it came from at last.
    pub url: Url,
    pub status: u16,
    headers: HeaderMap,
    body: Body,
    deadline: Option<Deadline>,
    /// For the text of an error.
    document: Duration,
    /// Not to be repeated in messages.
    secret: Option<String>,
    /// What the error of it says, too.
    note: String,
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
    pub fn new(environment: Environment, verify: bool, limits: Limits, tries: u32) -> Transport {
        let tries = tries.max(1);
        Transport { environment, verify, limits, tries, agents: Mutex::default(), warned: Mutex::default() }
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
    pub fn pause(&self, failures: u32, stop: &Stop) -> Result<(), RegistryError> {
        self.sleep(self.wait(failures), stop)
    }

    /// How long to wait after so many failures, if the server does not say it.
    pub fn wait(&self, failures: u32) -> Duration {
        retry::wait(failures, chance()).min(self.limits.pause)
    }

    /// When a document that is asked for now has to be there.
    pub fn deadline(&self) -> Deadline {
        Deadline::new(self.limits.document)
    }

    fn sleep(&self, time: Duration, stop: &Stop) -> Result<(), RegistryError> {
        self.environment.clock.sleep(time, &|| stop.is_stopped());
        stop.check()
    }

    /// Asks until the answer is none that a moment may change, `tries` times at most.
    pub fn persistent(&self, request: &Request, tries: u32, stop: &Stop) -> Result<Answer, RegistryError> {
        let mut failures = 0;
        loop {
            stop.check()?;
            let mut answer = self.follow(request, stop);
            failures += 1;
            let asked = match &mut answer {
                Ok(answer) if retry::is_transient(answer.status) => self.asked_pause(answer),
                Err(error) if error.is_transient() => None,
                _ => return answer,
            };
            let wait = asked.unwrap_or_else(|| self.wait(failures));
            let left = request.deadline.map_or(Duration::MAX, |deadline| deadline.left());
            if failures >= tries || wait > self.limits.pause.min(left) {
                return answer;
            }
            drop(answer);
            self.sleep(wait, stop)?;
        }
    }

    /// The pause that a server asks for. One that is too long is noted for the error.
    fn asked_pause(&self, answer: &mut Answer) -> Option<Duration> {
        let text = answer.header("retry-after")?;
        let asked = retry::after(text, self.environment.clock.now())?;
        if asked > self.limits.pause {
            let (text, limit) = (sanitised(text), in_seconds(self.limits.pause));
            let name = limits::PAUSE;
            answer.note =
                format!("; it asks for a pause (Retry-After: {text}) above the limit of {limit} ({name})");
        }
        Some(asked)
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
        if let Some(deadline) = request.deadline.filter(Deadline::is_over) {
            return Err(deadline.error(url).into());
        }
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
        let time = request.deadline.map(|deadline| deadline.left());
        let answer = match request.form {
            Some(form) => {
                let type_ = ("content-type", "application/x-www-form-urlencoded");
                let http = http.method("POST").header(type_.0, type_.1).body(form.as_bytes().to_vec());
                let http = http.map_err(|e| broken(&e))?;
                agent.run(agent.configure_request(http).timeout_global(time).build())
            }
            None => {
                let http = http.body(()).map_err(|e| broken(&e))?;
                agent.run(agent.configure_request(http).timeout_global(time).build())
            }
        };
        let answer = answer.map_err(|error| match (stop.check(), request.deadline) {
            (Err(stopped), _) => stopped.into(),
            (Ok(()), Some(deadline)) if deadline.is_over() => deadline.error(url).into(),
            (Ok(()), _) => failure::of(url, error),
        })?;
        let (parts, body) = answer.into_parts();
        let secret = request.authorization.map(str::to_string);
        let (url, status, headers) = (url.clone(), parts.status.as_u16(), parts.headers);
        let (deadline, document) = (request.deadline, self.limits.document);
        let note = String::new();
        let answer = Answer { url, status, headers, body, deadline, document, secret, note };
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
            .timeout_resolve(Some(self.limits.connect))
            .timeout_connect(Some(self.limits.connect))
            .timeout_recv_response(Some(self.limits.answer))
            .timeout_per_read(Some(self.limits.idle))
            .timeout_per_write(Some(self.limits.idle))
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
        let url = self.url;
        let mut body = self.body.into_reader().take(limit + 1);
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            let read = body.read(&mut buffer);
            stop.check()?;
            // The library's own limit is for the silence; a server that drips is never silent.
            match (read, self.deadline) {
                (Ok(0), _) => break,
                (_, Some(deadline)) if deadline.is_over() => return Err(deadline.error(&url)),
                (Ok(count), _) => bytes.extend_from_slice(&buffer[..count]),
                (Err(e), _) if e.kind() == io::ErrorKind::Interrupted => {}
                (Err(e), _) => return Err(failure::of_body(&url, e)),
            }
        }
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
        let (url, status, secret, note) = (self.url.to_string(), self.status, self.secret, self.note);
        let mut bytes = Vec::new();
        let deadline = self.deadline.unwrap_or_else(|| Deadline::new(self.document));
        let mut body = self.body.into_reader().take(LARGEST);
        let mut buffer = [0; 4096];
        // Whatever comes of it is good enough.
        while !deadline.is_over()
            && let Ok(count @ 1..) = body.read(&mut buffer)
        {
            bytes.extend_from_slice(&buffer[..count]);
        }
        let mut said = failure::words(&bytes);
        if let Some((_, secret)) = secret.as_deref().and_then(|header| header.split_once(' ')) {
            said = said.replace(secret, "…");
        }
        let said = if said.is_empty() { said } else { format!(": {said}") };
        RegistryError::Status { url, status, said: said + &note, advice }
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
