//! Surroundings for unit tests: nothing of this machine's.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Environment, SystemClock};

/// An environment of these variables alone.
pub fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment {
        variables: variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        home: None,
        uid: 1000,
        root: PathBuf::from("/nonexistent"),
        clock: Arc::new(SystemClock),
        warn: Arc::new(|_| {}),
    }
}
