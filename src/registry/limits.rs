//! How long a server may take: defaults, and the variables of the environment that change them.

use std::time::{Duration, Instant};

use super::url::Url;
use super::{Environment, RegistryError};

/// For a document.
pub(super) const DOCUMENT: &str = "GANTRY_REGISTRY_DOCUMENT_SECONDS";

/// The longest pause that a server may ask for.
pub(super) const PAUSE: &str = "GANTRY_REGISTRY_RETRY_AFTER_SECONDS";

/// How long to wait for what.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Until a connection is there, with name resolution, proxy and TLS: 30 s.
    pub connect: Duration,
    /// Until an answer's header is there: 60 s.
    pub answer: Duration,
    /// Between two pieces of a body: 60 s.
    pub idle: Duration,
    /// For a whole document, with all tries at one place: a manifest, an index, a configuration, the answer of a
    /// token server, the text of an error: 120 s.
    pub document: Duration,
    /// The longest pause before the next try, and the longest that a server may ask for with `Retry-After`: 60 s
    /// (as containers/image).
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        let seconds = Duration::from_secs;
        Limits {
            connect: seconds(30),
            answer: seconds(60),
            idle: seconds(60),
            document: seconds(120),
            pause: seconds(60),
        }
    }
}

impl Limits {
    /// These, but for what the environment says.
    pub(super) fn with(self, environment: &Environment) -> Result<Limits, RegistryError> {
        Ok(Limits {
            document: seconds(environment, DOCUMENT)?.unwrap_or(self.document),
            pause: seconds(environment, PAUSE)?.unwrap_or(self.pause),
            ..self
        })
    }
}

/// When a document has to be there.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    /// None: never, if the limit is longer than time.
    end: Option<Instant>,
    limit: Duration,
}

impl Deadline {
    /// From now on.
    pub fn new(limit: Duration) -> Deadline {
        Deadline { end: Instant::now().checked_add(limit), limit }
    }

    /// The time that is left.
    pub fn left(&self) -> Duration {
        self.end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// The error of a document that is not there in time.
    pub fn error(&self, url: &Url) -> RegistryError {
        let limit = in_seconds(self.limit);
        let what = format!("it was not there within {limit}, the limit for a document ({DOCUMENT})");
        RegistryError::Network { url: url.to_string(), what, transient: false }
    }
}

fn seconds(environment: &Environment, name: &str) -> Result<Option<Duration>, RegistryError> {
    const MOST: f64 = 86_400.0;
    let Some(text) = environment.variable(name) else { return Ok(None) };
    match text.parse::<f64>() {
        Ok(seconds) if (0.1..=MOST).contains(&seconds) => Ok(Some(Duration::from_secs_f64(seconds))),
        _ => {
            let what = format!("found {text:?}; accepted: seconds, 0.1 to {MOST}");
            Err(RegistryError::Setting { name: name.to_string(), what })
        }
    }
}

/// A time in words, for an error.
pub(super) fn in_seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::super::testing::environment;
    use super::*;

    #[test]
    fn the_environment_overrules() {
        let with = |text: &str| Limits::default().with(&environment(&[(PAUSE, text)]));
        let documents = Limits::default().with(&environment(&[(DOCUMENT, "7")])).unwrap();
        assert_eq!((documents.document, documents.pause), (Duration::from_secs(7), Limits::default().pause));
        assert_eq!(with("").unwrap().pause, Limits::default().pause);
        assert_eq!(with("90").unwrap().pause, Duration::from_secs(90));
        assert_eq!(with("0.5").unwrap().pause, Duration::from_millis(500));
        for wrong in ["0", "-1", "1m", "86401", "NaN", "inf", " 1"] {
            let error = with(wrong).unwrap_err().to_string();
            let says = format!("{PAUSE}: found {wrong:?}; accepted: seconds, 0.1 to 86400");
            assert_eq!(error, says);
        }
    }

    #[test]
    fn times_are_said_in_seconds() {
        assert_eq!(in_seconds(Duration::from_secs(60)), "60 s");
        assert_eq!(in_seconds(Duration::from_millis(1500)), "1.5 s");
    }
}
