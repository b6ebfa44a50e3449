//! Real closures: Debian packages as Nix derivations.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{functions, output};

/// The file of an expression with `pkgs.<package>`, `roots` (python3, nginx-light) and `all`.
pub fn debian_packages() -> &'static Path {
    static PACKAGES: OnceLock<PathBuf> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/debian-packages");
        output::<&str>(&script.display().to_string(), &[]).into()
    })
}

/// The beginning of an expression, to be followed by one that uses `debian` ([`debian_packages`]) and
/// `package NAME SCRIPT`, a derivation whose shell script makes $out with busybox; [`functions`] are in it.
pub fn packages() -> String {
    let file = debian_packages();
    let busybox = file.with_file_name("busybox");
    format!(
        r#"{}let
  debian = import {} {{ }};
  busybox = builtins.path {{ path = {}; name = "busybox"; }};
  package = name: script: derivation {{
    inherit name;
    system = builtins.currentSystem;
    builder = "${{busybox}}/bin/sh";
    PATH = "${{busybox}}/bin";
    args = [ "-euc" script ];
  }};
in "#,
        functions(),
        file.display(),
        busybox.display()
    )
}
