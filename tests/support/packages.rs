//! Real closures: Debian packages as Nix derivations.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::output;

/// An expression's file with `pkgs.<package>`, `roots` and `all`: python3, nginx-light and busybox-static
/// with all that they need, downloaded once into target/.
pub fn debian_packages() -> &'static Path {
    static PACKAGES: OnceLock<PathBuf> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = manifest.join("target/debian-packages");
        std::fs::create_dir_all(&folder).expect("a directory");
        // Test programs run side by side: the first makes it, the others wait.
        let lock = File::create(folder.join(".lock")).expect("a lock");
        lock.lock().expect("a lock");
        let done = folder.join("default.nix");
        if !done.exists() {
            let tool = manifest.join("tests/support/deb-closure");
            let made = folder.join(".making");
            let _ = std::fs::remove_dir_all(&made);
            output(tool.to_str().expect("UTF-8"), &[made.to_str().expect("UTF-8"), "python3", "nginx-light"]);
            for name in ["debs", "trees", "busybox", "default.nix"] {
                std::fs::rename(made.join(name), folder.join(name)).expect("a rename");
            }
        }
        done
    })
}

/// The beginning of an expression, to be followed by one that uses `debian` ([`debian_packages`]) and
/// `package NAME SCRIPT`, a derivation whose shell script makes $out with busybox.
pub fn packages() -> String {
    let file = debian_packages();
    let busybox = file.with_file_name("busybox");
    format!(
        r#"let
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
        file.display(),
        busybox.display()
    )
}
