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

    extern "Rust" {
        /// Checks the arguments, encoded as `cpp/encode.hh` says.
        fn check_arguments(json: &[u8]) -> CheckReport;
        /// The way as the user would write it: `config.ExposedPorts."80/tcp"`.
        fn attribute_path(path: &[PathStep]) -> String;
        /// The Nix function that is applied to the private primops and to the user's argument.
        fn oci_image_nix() -> &'static str;
        /// What `:doc builtins.ociImage` shows.
        fn documentation() -> &'static str;
        /// Nix's name of the system that the plugin is built for.
        fn system() -> &'static str;
        /// The crate's version.
        fn version() -> &'static str;
        /// The version of Nix whose headers the shim is built with.
        fn built_for_nix() -> &'static str;
    }
}

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{built_for_nix, documentation, oci_image_nix, system, version};
use crate::spec::{ArgumentError, Step};
use bridge::{CheckReport, PathStep};

fn check_arguments(json: &[u8]) -> CheckReport {
    let result = caught(|| super::check_arguments(json))
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
