//! What is wrong with an argument, and where it stands.

use std::fmt;
use std::path::Path;

/// One step of the way from the argument set to a value in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An attribute's name.
    Key(String),
    /// A list's element.
    Index(usize),
}

/// A wrong argument. Displays as `config.ExposedPorts."80/tcpp": found ..., accepted ...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentError {
    /// The way to the offending value; for a missing or misplaced attribute, to the attribute itself.
    pub path: Vec<Step>,
    /// What was found, what is accepted, what to do.
    pub message: String,
}

impl ArgumentError {
    /// The same error of an argument that is a file: its way begins with the argument and goes on in the file.
    pub fn in_file(self, file: &Path) -> ArgumentError {
        let (argument, within) = self.path.split_at(1.min(self.path.len()));
        let error = ArgumentError { path: within.to_vec(), message: self.message };
        ArgumentError { path: argument.to_vec(), message: format!("{}: {error}", file.display()) }
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.path.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    let dot = if i == 0 { "" } else { "." };
                    match is_nix_identifier(key) {
                        true => write!(f, "{dot}{key}")?,
                        false => write!(f, "{dot}{key:?}")?,
                    }
                }
            }
        }
        match self.path.is_empty() {
            true => f.write_str(&self.message),
            false => write!(f, ": {}", self.message),
        }
    }
}

impl std::error::Error for ArgumentError {}

/// Whether Nix takes `text` as an attribute name without quotes (Nix manual, "Identifiers").
fn is_nix_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'\'' | b'-'))
}
