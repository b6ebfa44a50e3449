//! Surroundings for unit tests: nothing of this machine's.

use std::path::{Path, PathBuf};
use std::process::Command;
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

/// Writes a shell script, and returns a PATH that has it. Another process writes: one that this process has just
/// had open for writing may still be, in a child of another test, and cannot be run then.
pub fn script(folder: &Path, name: &str, script: &str) -> String {
    let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$0"; chmod +x "$0""#;
    let status = Command::new("sh").args(["-c", write]).arg(folder.join(name)).arg(script).status();
    assert!(status.unwrap().success());
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}
