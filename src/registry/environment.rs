//! What the client takes from the process it runs in, as one argument: variables, home, files below `/`, the
//! clock, and where warnings go. Tests have their own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::printable;

/// The process's surroundings.
#[derive(Clone)]
pub struct Environment {
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// The user's home directory.
    pub home: Option<PathBuf>,
    /// The user's number, in the path `/run/containers/UID/auth.json`.
    pub uid: u32,
    /// Where `/etc` and `/run` are looked for: `/`.
    pub root: PathBuf,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Told what the user should know although the work goes on; never a secret.
    pub warn: Arc<dyn Fn(&str) + Send + Sync>,
}

/// Time: that of the system, or of a test.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> SystemTime;
    /// Waits for `time`, or until `stop` says so.
    fn sleep(&self, time: Duration, stop: &dyn Fn() -> bool);
}

/// The system's time.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, time: Duration, stop: &dyn Fn() -> bool) {
        const SLICE: Duration = Duration::from_millis(50);
        let start = Instant::now();
        while let Some(left) = time.checked_sub(start.elapsed())
            && !left.is_zero()
            && !stop()
        {
            std::thread::sleep(left.min(SLICE));
        }
    }
}

impl Environment {
    /// That of this process; warnings go to standard error.
    pub fn of_process() -> Environment {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        Environment {
            variables: std::env::vars_os().filter_map(text).collect(),
            home,
            uid: rustix::process::getuid().as_raw(),
            root: PathBuf::from("/"),
            clock: Arc::new(SystemClock),
            warn: Arc::new(|text| printable::to_stderr("warning", text)),
        }
    }

    /// A variable that is set, and not to nothing.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// `/etc/...` or `/run/...`.
    pub fn system(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}
