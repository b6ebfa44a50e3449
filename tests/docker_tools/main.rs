//! `nix/docker-tools.nix` in place of nixpkgs' dockerTools: what the tests of that require (docs/docker-tools.md
//! has them by number), on images that are built, loaded as `docker load` does, and run.
//!
//! nixpkgs is tests/docker-tools/pkgs.nix, of Debian's programs. Where nothing else is said, there is no plugin.

#[path = "../support/mod.rs"]
mod support;

mod arguments;
mod bases;
mod commands;
mod configuration;
mod contents;
mod development_shells;
mod evaluation;
mod nix_database;
mod results;
mod several_images;
mod store;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use support::{
    Container, MadeImages, MadeLayer, Nix, Ran, Registry, gantry_package, look, output, quoted, run,
};

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of programs that tests/docker-tools/programs makes.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let script = manifest().join("tests/docker-tools/programs");
        output::<&str>(&script.display().to_string(), &[]).into()
    })
}

/// An expression that knows `pkgs`, `gantry`, `dockerTools` and its `examples`.
fn with_tools(expression: &str) -> String {
    format!(
        r#"let
  pkgs = import {pkgs} {{ programs = {programs}; }};
  gantry = {gantry};
  dockerTools = import {tools} {{ inherit pkgs gantry; }};
  inherit (dockerTools) examples;
in
{expression}"#,
        pkgs = quoted(&manifest().join("tests/docker-tools/pkgs.nix")),
        programs = quoted(programs()),
        gantry = gantry_package(),
        tools = quoted(&manifest().join("nix/docker-tools.nix")),
    )
}

/// Nix without the plugin and with it: both have to do the same.
fn modes() -> [Nix; 2] {
    [Nix::without_plugin(), Nix::new()]
}

/// A value, as JSON.
#[track_caller]
fn value(nix: &Nix, expression: &str) -> Value {
    support::json(&nix.eval(&with_tools(expression)).ok())
}

#[track_caller]
fn text(nix: &Nix, expression: &str) -> String {
    value(nix, expression).as_str().expect("a string").to_owned()
}

/// The error of an expression that cannot be evaluated.
#[track_caller]
fn error(nix: &Nix, expression: &str) -> String {
    nix.eval(&with_tools(expression)).err()
}

/// Builds something; where it really is.
#[track_caller]
fn built(nix: &Nix, expression: &str) -> PathBuf {
    nix.built(&with_tools(expression))
}

/// The archive that a stream writes.
#[track_caller]
fn streamed(nix: &Nix, expression: &str, arguments: &str) -> PathBuf {
    let path = run(nix.command("nix-build").args(["--no-out-link", "--expr", &with_tools(expression)])).ok();
    let number = fs::read_dir(nix.folder().path()).expect("a folder").count();
    let archive = nix.folder().join(format!("stream-{number}.tar"));
    run(&mut nix.in_store(&format!("{path} {arguments} > {}", archive.display()))).ok();
    archive
}

/// Builds and loads an example.
#[track_caller]
fn load(nix: &Nix, example: &str) -> Container {
    Container::load(&built(nix, &format!("examples.{example}")))
}

/// Runs the stream of an example, and loads what it writes.
#[track_caller]
fn load_stream(nix: &Nix, example: &str) -> Container {
    Container::load(&streamed(nix, &format!("examples.{example}"), ""))
}

/// `RepoTags` of all images in an archive that may be compressed.
#[track_caller]
fn repo_tags(archive: &Path) -> Vec<String> {
    let documents = support::json(&member(archive, "manifest.json"));
    let images = documents.as_array().expect("a list");
    let tags = images.iter().flat_map(|image| image["RepoTags"].as_array().expect("a list"));
    tags.map(|tag| tag.as_str().expect("a name").to_owned()).collect()
}

/// A member of an archive, by GNU tar, which looks at the beginning to know the compression.
#[track_caller]
fn member(archive: &Path, name: &str) -> String {
    output("tar", &["-xOf", archive.to_str().expect("UTF-8"), name])
}

/// The names of what is in a directory.
#[track_caller]
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// The names of an image's store paths, without their hashes.
#[track_caller]
fn store_names(container: &Container) -> Vec<String> {
    let mut names: Vec<String> =
        names(&container.root.join("nix/store")).iter().map(|name| name[33..].to_owned()).collect();
    names.sort();
    names
}

/// Every example evaluates, with all that its derivations need.
fn assert_all_evaluate(nix: &Nix) {
    let drvs = value(nix, "builtins.mapAttrs (_: image: image.drvPath) examples");
    assert!(drvs.as_object().expect("a set").len() > 60, "{drvs}");
}
