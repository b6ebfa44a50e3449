//! Calls of dockerTools made up at random, with `nix/docker-tools.nix` and with what nixpkgs says to them: the calls
//! that are known are tested in tests/docker_tools, these stand for all the others.
//!
//! nixpkgs is tests/docker-tools/nixpkgs-model.nix; tests/docker-tools/compare has the differences that are allowed.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Nix, Ran, dist, gantry_package, output, quoted, run};

/// Enough for every function, argument and kind of value to come up.
const CALLS: usize = 220;

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Calls of a seed, as the generator prints them.
fn calls(seed: usize) -> String {
    let generator = file("tests/docker-tools/calls");
    output(&generator.display().to_string(), &[&seed.to_string(), &CALLS.to_string()])
}

/// A file that evaluates to `{ pkgs, dockerTools }`. Packages are never built, so that empty folders do for them.
fn set(nix: &Nix, name: &str, tools: &str) -> PathBuf {
    let programs = nix.folder().join("programs");
    for program in ["bash", "busybox", "nginx", "redis", "nix", "shadow"] {
        fs::create_dir_all(programs.join(program)).expect("a directory");
    }
    let text = format!(
        "let
  plain = import {pkgs} {{ programs = {programs}; }};
  stdenvDerivation = import {stdenv} {{ pkgs = plain; }};
  pkgs = plain // {{
    runCommand = name: attributes: buildCommand: stdenvDerivation (attributes // {{ inherit name buildCommand; }});
  }};
  gantry = {gantry};
in
{{ inherit pkgs; dockerTools = {tools}; }}",
        pkgs = quoted(&file("tests/docker-tools/pkgs.nix")),
        programs = quoted(&programs),
        stdenv = quoted(&file("tests/docker-tools/stdenv-model.nix")),
        gantry = gantry_package(),
    );
    let set = nix.folder().join(name);
    fs::write(&set, text).expect("a file");
    set
}

fn model() -> String {
    format!("import {} {{ inherit pkgs; }}", quoted(&file("tests/docker-tools/nixpkgs-model.nix")))
}

fn ours() -> String {
    format!("import {} {{ inherit pkgs gantry; }}", quoted(&file("nix/docker-tools.nix")))
}

/// Compares the model with other tools.
fn compare(nix: &Nix, tools: &str, calls: &str) -> Ran {
    let (theirs, ours) = (set(nix, "theirs.nix", &model()), set(nix, "ours.nix", tools));
    let list = nix.folder().join("calls.json");
    fs::write(&list, calls).expect("a file");
    let program = file("tests/docker-tools/compare");
    run(nix.command(program.to_str().expect("UTF-8")).args([theirs, ours, list]))
}

/// A call as the generator would print it.
fn one(call: &str, wrong: bool) -> String {
    json!([{ "function": "buildImage", "call": call, "wrong": wrong }]).to_string()
}

/// What is said of all the calls is what nixpkgs says, but for the differences that have a reason.
fn assert_all_are_as_nixpkgs_says(nix: &Nix, seed: usize) {
    let figures: Value = support::json(&compare(nix, &ours(), &calls(seed)).ok());
    assert_eq!(figures["calls"], CALLS, "{figures}");
    assert_eq!(figures["unexpected"], 0, "{figures}");
    let errors = figures["refused by both"].as_u64().expect("a number");
    assert!(errors > 10 && errors < 60, "{figures}");
}

#[test]
fn calls_are_as_nixpkgs_says_without_the_plugin() {
    assert_all_are_as_nixpkgs_says(&Nix::without_plugin(), 1);
}

#[test]
fn calls_are_as_nixpkgs_says_with_the_plugin() {
    assert!(dist().exists());
    assert_all_are_as_nixpkgs_says(&Nix::new(), 2);
}

#[test]
fn the_calls_of_a_seed_are_always_the_same() {
    assert_eq!(calls(1), calls(1));
    assert_ne!(calls(1), calls(2));
    let calls = support::json(&calls(1));
    let calls = calls.as_array().expect("a list");
    assert_eq!(calls.len(), CALLS);
    let functions: std::collections::BTreeSet<&str> =
        calls.iter().map(|call| call["function"].as_str().expect("a name")).collect();
    assert_eq!(functions.len(), 13, "{functions:?}");
    let wrong = calls.iter().filter(|call| call["wrong"] == true).count();
    assert!(wrong * 10 > CALLS && wrong * 3 < CALLS, "{wrong}");
}

/// What the comparison is there to find is found.
#[test]
fn differences_are_found_and_shown() {
    let nix = Nix::without_plugin();
    let changed = |change: &str| format!("let tools = {}; in tools // {{ {change} }}", model());
    let image = r#"dockerTools.buildImage { name = "App"; tag = "1"; }"#;
    let cases = [
        ("buildImage = _: throw \"no\";", image, "refused: error: no"),
        ("buildImage = _: throw \"no\";", image, "does not say which function it is of: error: no"),
        (
            "buildImage = args: tools.buildImage args // { imageTag = \"2\"; };",
            image,
            "imageTag: '2', but there '1'",
        ),
        ("buildImage = args: tools.buildImage args // { imageName = \"App\"; };", image, "imageName: 'App'"),
        ("buildImage = args: removeAttrs (tools.buildImage args) [ \"layer\" ];", image, "layer is missing"),
        (
            "buildImage = args: tools.buildImage args // { layers = 1; };",
            image,
            "layers is there, but not there",
        ),
        ("buildImage = args: (tools.buildImage args).drvPath;", image, "a string, but there a derivation"),
        ("buildImage = args: tools.buildImage args;", "dockerTools.buildImage", "arguments: tag is missing"),
        ("mergeImages = _: throw \"dockerTools.mergeImages: no\";", "dockerTools.mergeImages [ ]", "refused"),
        (
            "buildImage = args: let one = tools.buildImage args; warn = builtins.trace \"warning: old\"; in warn (warn one);",
            image,
            "more than once: trace: warning: old",
        ),
        (
            "buildImage = { name, ... }@args: tools.buildImage (removeAttrs args [ \"what\" ]);",
            r#"dockerTools.buildImage { name = "app"; what = 1; }"#,
            "taken, but there: error:",
        ),
    ];
    for (change, call, found) in cases {
        let compared = compare(&nix, &changed(change), &one(call, false));
        assert_eq!(compared.code, Some(1), "{change}: {}", compared.stdout);
        assert!(compared.stderr.contains(found), "{change}: {}", compared.stderr);
    }
    let figures: Value = support::json(&compare(&nix, &model(), &one(image, false)).ok());
    assert_eq!(figures["equal"], 1, "{figures}");
}

/// A wrong value may be refused here alone; another may not.
#[test]
fn only_wrong_values_may_be_refused() {
    let nix = Nix::without_plugin();
    let refusing =
        format!("{} // {{ buildImage = _: throw \"dockerTools.buildImage: created: found so\"; }}", model());
    let call = r#"dockerTools.buildImage { name = "app"; created = "so"; }"#;
    let figures: Value = support::json(&compare(&nix, &refusing, &one(call, true)).ok());
    assert_eq!(figures["allowed"], json!({ "what no engine takes is an error": 1 }));
    assert_eq!(compare(&nix, &refusing, &one(call, false)).code, Some(1));
}

#[test]
fn every_allowed_difference_is_documented() {
    let reasons = output(&file("tests/docker-tools/compare").display().to_string(), &["--reasons"]);
    let documentation = fs::read_to_string(file("docs/migrating.md")).expect("a file");
    let (_, section) = documentation.split_once("\n## What the comparison allows\n").expect("the section");
    let (section, _) = section.split_once("\n#").unwrap_or((section, ""));
    let documented: Vec<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .filter(|first| *first != "difference")
        .collect();
    assert_eq!(documented, reasons.lines().collect::<Vec<_>>());
}
