//! Real closures: Debian packages as Nix derivations.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::output;

/// The file of an expression with `pkgs.<package>`, `roots` (python3, nginx-light) and `all`.
pub fn debian_packages() -> &'static Path {
    static PACKAGES: OnceLock<PathBuf> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/debian-packages");
        output::<&str>(&script.display().to_string(), &[]).into()
    })
}
