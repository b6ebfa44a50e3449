//! Free space where images are made.

use std::path::{Path, PathBuf};

use super::{Check, Status};
use crate::registry::Environment;

/// Less is a warning: a common image with its layers needs about as much.
const LITTLE: u64 = 2_000_000_000;

/// Less is a problem: an image of a few programs does not fit.
const NOTHING: u64 = 50_000_000;

/// Files that a file system can still hold; less is a warning.
const FEW: u64 = 10_000;

/// Looks at the store's file system and that of temporary files.
pub fn examine(environment: &Environment) -> Vec<Check> {
    let temporary = environment.variable("TMPDIR").unwrap_or("/tmp");
    vec![
        space(
            "store-space",
            "space in the store",
            &environment.system("/nix/store"),
            "run nix-collect-garbage",
        ),
        space(
            "temporary-space",
            "temporary space",
            Path::new(temporary),
            "set TMPDIR to a directory with more space",
        ),
    ]
}

fn space(id: &'static str, title: &'static str, path: &Path, advice: &str) -> Check {
    let check = |status, found: String| Check::new(id, title, status, found);
    // The first use makes the store.
    let existing: PathBuf =
        path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_path_buf();
    match rustix::fs::statvfs(&existing) {
        Ok(system) => {
            let files = (system.f_files > 0).then_some(system.f_favail);
            let (status, found) = judge(system.f_bavail.saturating_mul(system.f_frsize), files);
            let check = check(status, format!("{found} in {}", existing.display()));
            if status == Status::Ok { check } else { check.advise(advice) }
        }
        Err(e) => check(Status::Warning, format!("{}: {e}", existing.display())),
    }
}

/// `bytes` that are free, and files, where the file system counts them.
fn judge(bytes: u64, files: Option<u64>) -> (Status, String) {
    let found = format!("{:.1} GB free", bytes as f64 / 1e9);
    match (bytes, files) {
        (..NOTHING, _) => (Status::Problem, found),
        (_, Some(files @ ..FEW)) => (Status::Warning, format!("{found}, but only {files} more files")),
        (..LITTLE, _) => (Status::Warning, found),
        _ => (Status::Ok, found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_space_is_a_warning_and_none_a_problem() {
        for (bytes, files, status) in [
            (0, None, Status::Problem),
            (49_999_999, Some(1_000_000), Status::Problem),
            (50_000_000, None, Status::Warning),
            (2_000_000_000, None, Status::Ok),
            (2_000_000_000, Some(10_000), Status::Ok),
            (2_000_000_000, Some(9_999), Status::Warning),
        ] {
            assert_eq!(judge(bytes, files).0, status, "{bytes} {files:?}");
        }
    }
}
