//! How long a server may take: defaults, and the variables of the environment that change them.

use std::time::{Duration, Instant};

use super::url::Url;
use super::{Environment, RegistryError};

/// For a document.
pub(super) const DOCUMENT: &str = "GANTRY_REGISTRY_DOCUMENT_SECONDS";

/// Of silence.
const IDLE: &str = "GANTRY_REGISTRY_IDLE_SECONDS";

/// For a blob.
const RATE: &str = "GANTRY_REGISTRY_BYTES_PER_SECOND";

/// The longest pause that a server may ask for.
pub(super) const PAUSE: &str = "GANTRY_REGISTRY_RETRY_AFTER_SECONDS";

/// How long to wait for what.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Until a connection is there, with name resolution, proxy and TLS: 30 s.
    pub connect: Duration,
    /// Until an answer's header is there: 60 s.
    pub answer: Duration,
    /// Between two pieces of a body, and the time over which the rate of a blob is measured: 60 s.
    pub idle: Duration,
    /// The bytes a second at which a blob has to arrive: 1024. 0 for no limit.
    pub rate: u64,
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
            rate: 1024,
            document: seconds(120),
            pause: seconds(60),
        }
    }
}

impl Limits {
    /// These, but for what the environment says.
    pub(super) fn with(self, environment: &Environment) -> Result<Limits, RegistryError> {
        let rate = environment.variable(RATE).map(|text| {
            let what = || format!("found {text:?}; accepted: a number of bytes, 0 for no limit");
            let wrong = |_| RegistryError::Setting { name: RATE.to_string(), what: what() };
            text.parse::<u64>().map_err(wrong)
        });
        Ok(Limits {
            idle: seconds(environment, IDLE)?.unwrap_or(self.idle),
            rate: rate.transpose()?.unwrap_or(self.rate),
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

/// The rate of a transfer, measured in what is waited for it: a slow disk makes no slow server.
pub(super) struct Pace<'l> {
    limits: &'l Limits,
    waited: Duration,
    bytes: u64,
}

impl Pace<'_> {
    /// At the start of a transfer.
    pub fn new(limits: &Limits) -> Pace<'_> {
        Pace { limits, waited: Duration::ZERO, bytes: 0 }
    }

    /// Counts bytes that were waited for so long. If they were too few for too long, what to say of it.
    pub fn add(&mut self, bytes: usize, waited: Duration) -> Result<(), String> {
        self.waited += waited;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.waited < self.limits.idle {
            return Ok(());
        }
        let found = self.bytes as f64 / self.waited.as_secs_f64();
        if found < self.limits.rate as f64 {
            let (bytes, rate, time) = (self.bytes, self.limits.rate, in_seconds(self.limits.idle));
            return Err(format!(
                "it sent {bytes} bytes in {time}; the limit is {rate} bytes a second ({RATE}) over {time} ({IDLE})"
            ));
        }
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        Ok(())
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
        let more = environment(&[(IDLE, "5"), (RATE, "0")]);
        let more = Limits::default().with(&more).unwrap();
        assert_eq!((more.idle, more.rate), (Duration::from_secs(5), 0));
        for wrong in ["1k", "-1", "1.5"] {
            let error = Limits::default().with(&environment(&[(RATE, wrong)])).unwrap_err().to_string();
            let says = format!("{RATE}: found {wrong:?}; accepted: a number of bytes, 0 for no limit");
            assert_eq!(error, says);
        }
        for wrong in ["0", "-1", "1m", "86401", "NaN", "inf", " 1"] {
            let error = with(wrong).unwrap_err().to_string();
            let says = format!("{PAUSE}: found {wrong:?}; accepted: seconds, 0.1 to 86400");
            assert_eq!(error, says);
        }
    }

    #[test]
    fn a_rate_is_measured_over_the_time_that_is_waited() {
        let limits = Limits { idle: Duration::from_secs(10), rate: 100, ..Limits::default() };
        let second = Duration::from_secs(1);
        // Exactly the rate, in lumps: for ever.
        let mut pace = Pace::new(&limits);
        for time in 1..100 {
            assert_eq!(pace.add(if time % 5 == 0 { 500 } else { 0 }, second), Ok(()), "{time}");
        }
        // Much at first does not make up for what comes later.
        let mut pace = Pace::new(&limits);
        assert_eq!(pace.add(1 << 40, 10 * second), Ok(()));
        assert_eq!(pace.add(999, 9 * second), Ok(()));
        assert_eq!(
            pace.add(0, second).unwrap_err(),
            "it sent 999 bytes in 10 s; the limit is 100 bytes a second (GANTRY_REGISTRY_BYTES_PER_SECOND) \
             over 10 s (GANTRY_REGISTRY_IDLE_SECONDS)"
        );
        // What was not waited for has no rate, and without a limit nothing is slow.
        assert_eq!(Pace::new(&limits).add(1, Duration::ZERO), Ok(()));
        let unlimited = Limits { rate: 0, ..limits };
        assert_eq!(Pace::new(&unlimited).add(0, 100 * second), Ok(()));
    }

    #[test]
    fn times_are_said_in_seconds() {
        assert_eq!(in_seconds(Duration::from_secs(60)), "60 s");
        assert_eq!(in_seconds(Duration::from_millis(1500)), "1.5 s");
    }
}
