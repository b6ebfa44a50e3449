//! The bridge to the C++ shim (`cpp/`), and the only file of the crate with unsafe code (cxx makes it).
//!
//! C++ calls Rust, never the other way round: so no C++ exception meets a Rust frame, and nothing of
//! Nix (values, contexts, positions) is known here. A panic must not meet a C++ frame either (cxx would
//! end the process), so every function that can panic is wrapped by [`caught`].

// The name of the bridge's module is never seen; cxx wants one.
#[allow(unsafe_code, missing_docs)]
#[cxx::bridge(namespace = "gantry")]
pub mod bridge {
    /// One step of the way from the argument set to a value in it.
    struct PathStep {
        /// The attribute's name; unused if `index` is not negative.
        key: String,
        /// The list index, or -1 for an attribute.
        index: i64,
    }

    /// The result of checking the arguments.
    struct CheckReport {
        /// Whether there is nothing to complain about.
        ok: bool,
        /// For the user: the attribute, what is wrong with it, what is accepted.
        message: String,
        /// The way to the attribute.
        path: Vec<PathStep>,
    }

    /// What came of a task.
    struct Answer {
        /// Whether it succeeded.
        ok: bool,
        /// JSON, or what went wrong.
        text: String,
        /// Whether what went wrong is the expression's, so that it will go wrong again.
        users: bool,
    }

    extern "Rust" {
        /// Checks the arguments of `builtin`, encoded as `cpp/encode.hh` says.
        fn check_arguments(builtin: &str, json: &[u8]) -> CheckReport;
        /// The way as the user would write it: `config.ExposedPorts."80/tcp"`.
        fn attribute_path(path: &[PathStep]) -> String;
        /// The Nix function that is applied to the private primops and to the argument of `ociImage`.
        fn oci_image_nix() -> &'static str;
        /// The same for `pullImage`.
        fn pull_image_nix() -> &'static str;
        /// The Nix function that is `prim.platformOf`.
        fn platforms_nix() -> &'static str;
        /// What `:doc builtins.ociImage` shows.
        fn oci_image_documentation() -> &'static str;
        /// What `:doc builtins.pullImage` shows.
        fn pull_image_documentation() -> &'static str;
        /// A text as a JSON string.
        fn json_string(text: &str) -> String;

        /// A request that runs on a thread of its own. Dropped, it is told to stop, and waited for.
        type Task;
        /// A task for a request in JSON; it does nothing yet.
        fn start_task(json: &[u8]) -> Box<Task>;
        /// What it will ask of the network; empty if nothing.
        fn url(self: &Task) -> String;
        /// Starts it.
        fn begin(self: &mut Task);
        /// Waits for so many milliseconds at most; whether it is done.
        fn wait(self: &mut Task, milliseconds: u64) -> bool;
        /// Bytes that came so far.
        fn received(self: &Task) -> u64;
        /// Bytes that there are, 0 if that is not known.
        fn expected(self: &Task) -> u64;
        /// What came of it, once it is done.
        fn take(self: &mut Task) -> Answer;
        /// Nix's name of the system that the plugin is built for.
        fn system() -> &'static str;
        /// The crate's version.
        fn version() -> &'static str;
    }
}

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::task::Task;
use super::{
    json_string, oci_image_documentation, oci_image_nix, platforms_nix, pull_image_documentation,
    pull_image_nix, system, version,
};
use crate::spec::{ArgumentError, Step};
use bridge::{Answer, CheckReport, PathStep};

fn check_arguments(builtin: &str, json: &[u8]) -> CheckReport {
    let result = caught(|| super::check_arguments(builtin, json))
        .unwrap_or_else(|| Err(ArgumentError { path: Vec::new(), message: INTERNAL.to_owned() }));
    match result {
        Ok(()) => CheckReport { ok: true, message: String::new(), path: Vec::new() },
        Err(error) => CheckReport {
            ok: false,
            message: error.to_string(),
            path: error.path.into_iter().map(PathStep::from).collect(),
        },
    }
}

fn attribute_path(path: &[PathStep]) -> String {
    let steps = path.iter().map(|step| match usize::try_from(step.index) {
        Ok(index) => Step::Index(index),
        Err(_) => Step::Key(step.key.clone()),
    });
    caught(|| super::attribute_path(steps.collect())).unwrap_or_else(|| "?".to_owned())
}

fn start_task(json: &[u8]) -> Box<Task> {
    Box::new(Task::new(json))
}

impl Task {
    fn url(&self) -> String {
        self.url.clone().unwrap_or_default()
    }

    fn take(&mut self) -> Answer {
        match self.outcome.take() {
            Some(Ok(text)) => Answer { ok: true, text, users: false },
            Some(Err(failure)) => Answer { ok: false, text: failure.message, users: failure.users },
            None => Answer { ok: false, text: INTERNAL.to_owned(), users: false },
        }
    }
}

const INTERNAL: &str = "internal error while checking the arguments; please report it";

fn caught<T>(f: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}

impl From<Step> for PathStep {
    fn from(step: Step) -> PathStep {
        match step {
            Step::Key(key) => PathStep { key, index: -1 },
            // No list in memory has more elements than an i64 counts.
            Step::Index(index) => PathStep { key: String::new(), index: index as i64 },
        }
    }
}
