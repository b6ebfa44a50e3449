//! A registry client in surroundings of the test's own. Time there only passes when somebody sleeps, at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use gantry::registry::{Client, Clock, Environment, Limits, Options};
use serde_json::{Value, json};

use super::Authority;
use crate::support::Folder;

/// The header that user and secret make.
pub const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

/// Time that passes only by sleeping, and sleeping that takes no time.
pub struct TestClock {
    now: Mutex<SystemTime>,
    slept: Mutex<Vec<Duration>>,
}

impl TestClock {
    pub fn advance(&self, by: Duration) {
        *self.now.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        *self.now.lock().unwrap()
    }

    fn sleep(&self, time: Duration, _stop: &dyn Fn() -> bool) {
        self.slept.lock().unwrap().push(time);
        self.advance(time);
    }
}

/// A client's surroundings.
pub struct World {
    pub folder: Folder,
    pub environment: Environment,
    pub options: Options,
    pub clock: Arc<TestClock>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl World {
    pub fn new() -> World {
        let folder = Folder::new();
        let clock = Arc::new(TestClock { now: Mutex::new(SystemTime::now()), slept: Mutex::default() });
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let heard = warnings.clone();
        let environment = Environment {
            variables: BTreeMap::from([("PATH".to_string(), std::env::var("PATH").unwrap())]),
            home: Some(folder.join("home")),
            uid: 1000,
            root: folder.join("root"),
            clock: clock.clone(),
            warn: Arc::new(move |text| heard.lock().unwrap().push(text.to_string())),
        };
        let second = Duration::from_secs(1);
        let limits =
            Limits { connect: 5 * second, answer: 5 * second, idle: 5 * second, ..Limits::default() };
        World { folder, environment, options: Options { limits, ..Options::default() }, clock, warnings }
    }

    pub fn client(&self) -> Client {
        Client::new(&self.environment, self.options.clone()).unwrap()
    }

    /// With a variable.
    pub fn variable(mut self, name: &str, value: impl ToString) -> World {
        self.environment.variables.insert(name.to_string(), value.to_string());
        self
    }

    /// With trust in an authority.
    pub fn trusting(self, authority: &Authority) -> World {
        let root = authority.root().display().to_string();
        self.variable("SSL_CERT_FILE", root)
    }

    /// With `user` and `secret` for a host, as `podman login` keeps them.
    pub fn logged_in(self, host: &str) -> World {
        self.auth(json!({ "auths": { host: { "auth": "dXNlcjpzZWNyZXQ=" } } }))
    }

    pub fn auth(self, file: Value) -> World {
        let path = self.folder.write("auth.json", file.to_string()).display().to_string();
        self.variable("REGISTRY_AUTH_FILE", path)
    }

    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap().clone()
    }

    /// What was slept, in seconds.
    pub fn slept(&self) -> Vec<f64> {
        self.clock.slept.lock().unwrap().iter().map(Duration::as_secs_f64).collect()
    }
}
