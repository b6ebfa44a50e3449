//! Compiles the C++ shim (`cpp/`) against the headers of one version of Nix, with feature `plugin`.
//!
//! The headers are looked for with pkg-config (`nix-expr`, `nix-store`, `nix-main`), unless the
//! environment names them:
//!
//! * `GANTRY_NIX_INCLUDE`: the directory (or directories, as in PATH) that holds `eval.hh`, or
//!   `nix/expr/eval.hh` since Nix 2.28; `tests/support/nix-headers` makes one for Debian 12;
//! * `GANTRY_NIX_VERSION`: their version, such as `2.8.0`.
//!
//! Nix itself is not linked: its symbols come from the program that loads the plugin, and a second copy of
//! its libraries in one process would have settings and primops of its own.

fn main() {
    #[cfg(feature = "plugin")]
    if let Err(message) = plugin::build() {
        println!("cargo::error={message}");
        println!("cargo::error=To build without the evaluator plugin: cargo build --no-default-features");
        std::process::exit(1);
    }
}

#[cfg(feature = "plugin")]
mod plugin {
    use std::env;
    use std::path::PathBuf;

    const SOURCES: [&str; 4] = ["cpp/plugin.cc", "cpp/encode.cc", "cpp/executable.cc", "cpp/network.cc"];

    /// Nix's headers and what to know about them.
    struct Headers {
        include: Vec<PathBuf>,
        /// As Nix says it: `2.8.0`, `2.35pre20260101_abcdef`.
        version: String,
        /// Whether the headers that Nix's own configuration generates are among them.
        configured: bool,
    }

    pub fn build() -> Result<(), String> {
        for name in ["GANTRY_NIX_INCLUDE", "GANTRY_NIX_VERSION", "PKG_CONFIG_PATH"] {
            println!("cargo::rerun-if-env-changed={name}");
        }
        println!("cargo::rerun-if-changed=cpp");

        let headers = from_environment()?.map_or_else(from_pkg_config, Ok)?;
        let (major, minor) = major_minor(&headers.version)
            .ok_or_else(|| format!("`{}` is not a version of Nix", headers.version))?;
        if (major, minor) < (2, 8) {
            return Err(format!("Nix {} is too old: the plugin needs 2.8 or newer", headers.version));
        }

        let mut cc = cxx_build::bridge("src/plugin/ffi.rs");
        cc.files(SOURCES)
            .std(if minor <= 13 {
                "c++17"
            } else if minor <= 30 {
                "c++20"
            } else {
                "c++23"
            })
            .define("NIX_VER", (major * 100 + minor).to_string().as_str())
            .flag_if_supported("-Wno-missing-field-initializers");
        for directory in &headers.include {
            // System headers: their warnings are not ours.
            cc.flag("-isystem").flag(directory);
        }
        if !headers.configured && minor < 28 {
            // The headers of Nix's packages in Debian and in nixpkgs are for a Nix with the collector. The
            // system is the default of a setting, which Nix's own code constructs.
            cc.define("HAVE_BOEHMGC", "1").define("SYSTEM", "\"\"");
        }
        cc.try_compile("gantry-shim").map_err(|error| error.to_string())?;

        // Nothing in Rust refers to the shim, so the linker is told to take it out of its archive; only for
        // the plugin, since in a program Nix's symbols are not there. Its one static initialiser registers
        // the builtin.
        let apple = env::var("CARGO_CFG_TARGET_VENDOR").as_deref() == Ok("apple");
        if apple {
            println!("cargo::rustc-cdylib-link-arg=-Wl,-u,_gantry_plugin,-undefined,dynamic_lookup");
        } else {
            println!("cargo::rustc-cdylib-link-arg=-Wl,-u,gantry_plugin,--exclude-libs,ALL");
        }
        println!("cargo::rustc-env=GANTRY_NIX_VERSION={}", headers.version);
        Ok(())
    }

    fn from_environment() -> Result<Option<Headers>, String> {
        let Some(include) = env::var_os("GANTRY_NIX_INCLUDE") else { return Ok(None) };
        let include: Vec<PathBuf> = env::split_paths(&include).collect();
        let version = env::var("GANTRY_NIX_VERSION").map_err(|_| {
            "GANTRY_NIX_INCLUDE is set, so GANTRY_NIX_VERSION must be as well (for example 2.8.0)".to_owned()
        })?;
        if !include.iter().any(|dir| dir.join("eval.hh").exists() || dir.join("nix/expr/eval.hh").exists()) {
            return Err(format!("no eval.hh in GANTRY_NIX_INCLUDE ({})", include[0].display()));
        }
        // `config.h` is an empty file where it does not come from Nix's configuration (nix-headers).
        let configured = include.iter().any(|dir| {
            dir.join("config-expr.hh").exists()
                || dir.join("config.h").metadata().is_ok_and(|config| config.len() > 0)
        });
        Ok(Some(Headers { include, version, configured }))
    }

    fn from_pkg_config() -> Result<Headers, String> {
        let probe = |name: &str| {
            pkg_config::Config::new().cargo_metadata(false).print_system_cflags(false).probe(name)
        };
        let expr = probe("nix-expr").map_err(|_| {
            "Nix's headers were not found: pkg-config does not know nix-expr, and GANTRY_NIX_INCLUDE \
             (with GANTRY_NIX_VERSION) is not set"
                .to_owned()
        })?;
        let mut include = expr.include_paths;
        for (name, required) in
            [("nix-store", true), ("nix-main", true), ("nix-util", false), ("nix-fetchers", false)]
        {
            match probe(name) {
                Ok(library) => include.extend(library.include_paths),
                Err(error) if required => return Err(error.to_string()),
                Err(_) => {}
            }
        }
        include.sort();
        include.dedup();
        Ok(Headers { include, version: expr.version, configured: true })
    }

    fn major_minor(version: &str) -> Option<(u32, u32)> {
        let (major, rest) = version.split_once('.')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some((major.parse().ok()?, rest[..digits].parse().ok()?))
    }
}
