//! The evaluator's entry points: what the C++ shim asks Rust for, as safe functions.
//!
//! The shim (`cpp/`) turns the user's argument into JSON, and everything that Nix alone knows (values,
//! string contexts, positions) stays with it; the checks are [`crate::spec`]'s. The bridge between the
//! two is [`ffi`], which may use these functions and nothing else.

pub mod ffi;
mod request;
mod task;

use crate::spec::{self, ArgumentError, Step};

/// Checks the arguments of `builtin`, as JSON that `cpp/encode.hh` describes.
pub fn check_arguments(builtin: &str, json: &[u8]) -> Result<(), ArgumentError> {
    // Fails only if the shim's encoder is wrong: it limits depth and size, and writes valid UTF-8.
    let arguments = serde_json::from_slice(json).map_err(|error| ArgumentError {
        path: Vec::new(),
        message: format!("internal error: the evaluator's JSON is not valid: {error}; please report it"),
    })?;
    match builtin {
        "pullImage" => spec::check_pull(&arguments),
        _ => spec::check(&arguments),
    }
}

/// The way to a value in the argument set, as the user would write it.
pub fn attribute_path(path: Vec<Step>) -> String {
    let text = ArgumentError { path, message: String::new() }.to_string();
    text.strip_suffix(": ").map(str::to_owned).unwrap_or(text)
}

/// The Nix function `prim: args: ...` behind `builtins.ociImage`.
pub fn oci_image_nix() -> &'static str {
    include_str!("../../nix/oci-image.nix")
}

/// The Nix function `prim: args: ...` behind `builtins.pullImage`.
pub fn pull_image_nix() -> &'static str {
    include_str!("../../nix/pull-image.nix")
}

/// The Nix function that knows the architectures of Nix's systems.
pub fn platforms_nix() -> &'static str {
    include_str!("../../nix/platforms.nix")
}

/// The documentation of `builtins.ociImage` (`:doc` in `nix repl`), Markdown.
pub fn oci_image_documentation() -> &'static str {
    include_str!("oci-image.md")
}

/// The documentation of `builtins.pullImage`.
pub fn pull_image_documentation() -> &'static str {
    include_str!("pull-image.md")
}

/// `text` as a JSON string.
pub fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Nix's name of the system that the plugin is built for, and so of the `gantry` beside it.
pub fn system() -> &'static str {
    // The crate compiles for these two alone (src/lib.rs).
    if cfg!(target_arch = "aarch64") { "aarch64-linux" } else { "x86_64-linux" }
}

/// The crate's version.
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_paths_are_written_as_in_nix() {
        let key = |text: &str| Step::Key(text.to_owned());
        let path = vec![key("config"), key("ExposedPorts"), key("80/tcp"), Step::Index(2)];
        assert_eq!(attribute_path(path), r#"config.ExposedPorts."80/tcp"[2]"#);
        assert_eq!(attribute_path(vec![key("a: ")]), r#""a: ""#);
        assert_eq!(attribute_path(Vec::new()), "");
    }

    #[test]
    fn deep_json_is_refused_without_overflow() {
        let deep = "[".repeat(1_000_000);
        assert!(check_arguments("ociImage", deep.as_bytes()).is_err());
    }
}
