//! README and docs do what they say: every block of code in them is evaluated or run, as its language says.
//!
//! | block | what happens |
//! |---|---|
//! | `nix expression` | evaluated, a derivation down to its path |
//! | `nix arguments` | the same, as arguments of `builtins.ociImage` |
//! | `nix attributes` | evaluated, every value of the set |
//! | `nix module` | evaluated as a module of NixOS or Home Manager, with Gantry's |
//! | `nix flake` | README's: the `flake.nix` that sessions are run with |
//! | `console` | a session: every command is run, by a shell, with a real Nix, Docker and registry |
//! | `yaml` | a CI system's configuration: the commands of `run` are run |
//! | `sh` | lines `make TARGET`: a target that there is; any other line is in [`ELSEWHERE`] |
//! | none | usage lines of `gantry`: the subcommand and its options exist |
//!
//! nixpkgs is tests/docker-tools/pkgs.nix, of Debian's programs, and, where nothing is built, tests/stub-nixpkgs.

#[path = "documentation/blocks.rs"]
mod blocks;
#[path = "documentation/session.rs"]
mod session;
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use blocks::{all_blocks, blocks, documents, manifest};
use serde_json::json;
use session::Machine;
use support::{MadeImages, MadeLayer, Nix, Registry, dist, gantry, output, quoted, run};

/// Lines of `sh` blocks that no test runs, with the reason.
const ELSEWHERE: &[(&str, &str)] = &[
    ("cargo test --lib", "what `make test` runs, in parts"),
    ("cargo test --test eval", "what `make test` runs, in parts"),
    (
        "echo 'plugin-files = /usr/local/lib/nix/plugins/libgantry.so' | sudo tee -a /etc/nix/nix.conf",
        "changes this machine; tests/install.rs has a Nix that is configured so",
    ),
];

/// The folder of programs that tests/docker-tools/programs makes.
fn programs() -> PathBuf {
    output::<&str>(&manifest().join("tests/docker-tools/programs").display().to_string(), &[]).into()
}

/// `import` of the stand-in for nixpkgs.
fn packages() -> String {
    let pkgs = quoted(&manifest().join("tests/docker-tools/pkgs.nix"));
    format!("import {pkgs} {{ programs = {}; system = \"x86_64-linux\"; }}", quoted(&programs()))
}

/// An expression that knows the names that the documents use.
fn with_names(expression: &str) -> String {
    format!(
        r#"let
  system = "x86_64-linux";
  debians = {packages};
  others = import {stub} system;
  pkgs = others // debians // {{ lib = others.lib // debians.lib; stdenv = others.stdenv // debians.stdenv; }};
  app = pkgs.hello;
  debian = builtins.ociImage {{ name = "debian"; contents = [ pkgs.bash ]; }};
  image-amd64 = debian;
  image-arm64 = builtins.ociImage {{ name = "debian"; architecture = "arm64"; }};
  builder = builtins.path {{ name = "gantry"; path = {dist}; }} // {{ inherit system; version = "{version}"; }};
  gantry = {{ outPath = {project}; packages.${{system}}.default = builder // {{ inherit builder; }};
    lib.${{system}} = import ({project} + "/nix/lib.nix") {{ inherit pkgs; }}; }};
in
{expression}"#,
        packages = packages(),
        stub = quoted(&manifest().join("tests/stub-nixpkgs/pkgs.nix")),
        dist = quoted(&dist()),
        version = env!("CARGO_PKG_VERSION"),
        project = quoted(manifest()),
    )
}

/// Evaluates blocks as `wrap` says, with a registry that has what the documents pull; reports every failure.
fn evaluate(language: &str, at_least: usize, wrap: impl Fn(&str) -> String) {
    let (nix, registry, images) = (Nix::new(), Registry::start(), MadeImages::new());
    let image = images.image("linux/amd64", &[MadeLayer::file("etc/issue", "Debian")], json!({}));
    let digest = images.push(&registry.host(), "12", image, &[]);
    let blocks = all_blocks(language);
    assert!(blocks.len() >= at_least, "only {} blocks of {language}", blocks.len());
    let failures: Vec<String> = blocks
        .iter()
        .filter_map(|block| {
            let text = block
                .text
                .replace("imageName = \"debian\"", &format!("imageName = \"{}/team/app\"", registry.host()))
                .replace("(fetchTarball \"https://example.org/gantry.tar.gz\")", &quoted(manifest()))
                .replace("prefix = /usr/local", &format!("prefix = {}", dist().display()))
                .replace("sha256:…", &digest)
                .replace("sha256-…", "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
            let ran = nix.eval(&with_names(&wrap(&text)));
            (ran.code != Some(0)).then(|| format!("{}: {}", block.place, ran.stderr))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn sessions_print_what_the_documents_show() {
    let machine = Machine::new();
    let failures: Vec<String> = documents().iter().flat_map(|document| machine.sessions(document)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let pushed = format!("docker://{}/hello:1.0", machine.registry.host());
    let config = output("skopeo", &["inspect", "--config", "--tls-verify=false", &pushed]);
    assert!(config.contains("8080/tcp"), "{config}");
}

#[test]
fn expressions_evaluate() {
    evaluate("nix expression", 6, |text| format!("(({text}).drvPath)"));
}

#[test]
fn arguments_evaluate() {
    evaluate("nix arguments", 5, |text| {
        format!("(builtins.ociImage ({{ name = \"app\"; }} // {{ {text} }})).drvPath")
    });
}

#[test]
fn attributes_evaluate() {
    evaluate("nix attributes", 1, |text| {
        format!(
            "let attributes = {{ {text} }}; in map (name: builtins.seq attributes.${{name}} name) (builtins.attrNames attributes)"
        )
    });
}

/// The modules are sets of settings, which tests/modules.rs looks at one by one.
#[test]
fn modules_evaluate() {
    let blocks = all_blocks("nix module");
    assert!(blocks.len() >= 2, "only {} modules", blocks.len());
    for block in blocks {
        let expression = format!(
            "let
               pkgs = import {} \"x86_64-linux\";
               gantry = {{ nixosModules.default = {nix}/modules/nixos.nix; homeModules.default = {nix}/modules/home-manager.nix; }};
               settings = {};
               modules = settings.imports ++ [ (removeAttrs settings [ \"imports\" ] // {{ nix = {{ package = pkgs.nix; }} // settings.nix or {{ }}; }}) ];
             in (pkgs.lib.evalModules {{ inherit modules; specialArgs = {{ inherit pkgs; }}; }}).config.nix.settings.plugin-files",
            quoted(&manifest().join("tests/stub-nixpkgs/pkgs.nix")),
            block.text,
            nix = manifest().join("nix").display(),
        );
        let files = support::json(&Nix::without_plugin().eval(&expression).ok());
        assert_eq!(files.as_array().map(Vec::len), Some(1), "{}: {files}", block.place);
    }
}

#[test]
fn what_ci_systems_run_works() {
    let machine = Machine::new();
    let blocks = all_blocks("yaml");
    assert!(!blocks.is_empty(), "no CI system");
    for block in blocks {
        let (_, commands) = block.text.split_once("- run: |\n").expect("commands");
        machine.ci(commands);
    }
}

#[test]
fn every_block_is_of_a_kind_that_a_test_knows() {
    let known = [
        "nix expression",
        "nix arguments",
        "nix attributes",
        "nix module",
        "nix flake",
        "yaml",
        "console",
        "sh",
        "",
    ];
    let languages: Vec<(String, String)> = documents()
        .iter()
        .flat_map(|document| blocks(document))
        .map(|block| (block.place, block.language))
        .filter(|(_, language)| !known.contains(&language.as_str()))
        .collect();
    assert!(languages.is_empty(), "{languages:?}");
}

#[test]
fn targets_of_make_are_there() {
    for block in all_blocks("sh") {
        for line in block.text.lines() {
            let command = line.split('#').next().unwrap_or_default().trim();
            if command.is_empty() || ELSEWHERE.iter().any(|(known, _)| *known == command) {
                continue;
            }
            let arguments = command.strip_prefix("sudo ").unwrap_or(command).strip_prefix("make ");
            let arguments = arguments.unwrap_or_else(|| panic!("{}: {command}: run by no test", block.place));
            run(Command::new("make").arg("--dry-run").args(arguments.split(' ')).current_dir(manifest()))
                .ok();
        }
    }
}

/// `text` between backticks, outside blocks of code.
fn spans(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).expect("a document");
    let outside: String = text.split("```").step_by(2).collect();
    outside.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")).collect()
}

#[test]
fn usage_lines_and_commands_in_the_text_exist() {
    let help = |subcommand: &str| run(Command::new(gantry()).args([subcommand, "--help"]));
    let mut seen = BTreeSet::new();
    for document in documents() {
        let usage = blocks(&document).into_iter().filter(|block| block.language.is_empty());
        let lines: Vec<String> =
            usage.flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        for text in lines.iter().chain(&spans(&document)) {
            let Some(rest) = text.strip_prefix("gantry ") else { continue };
            let subcommand = rest.split(' ').next().expect("a word");
            if subcommand.starts_with('-') || subcommand == "COMMAND" {
                continue;
            }
            let help = help(subcommand);
            assert_eq!(help.code, Some(0), "{}: {text}: {}", document.display(), help.stderr);
            let words = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
            for option in words.filter(|word| word.starts_with("--") && word.len() > 2) {
                assert!(help.stdout.contains(option), "{}: {text}: no {option}", document.display());
            }
            seen.insert(subcommand.to_owned());
        }
    }
    assert!(seen.len() >= 6, "only {seen:?}");
}

#[test]
fn tests_that_show_a_behaviour_exist() {
    let named: Vec<(String, String)> = spans(&manifest().join("docs/docker-tools.md"))
        .iter()
        .filter_map(|span| span.split_once("::"))
        .filter(|(_, test)| test.ends_with(char::is_alphabetic))
        .map(|(module, test)| (module.to_owned(), test.to_owned()))
        .collect();
    assert!(named.len() > 80, "only {}", named.len());
    for (module, test) in named {
        let file = manifest().join(format!("tests/docker_tools/{module}.rs"));
        let text = fs::read_to_string(&file).expect("a file of tests");
        assert!(text.contains(&format!("#[test]\nfn {test}()")), "{module}::{test}");
    }
}

#[test]
fn the_table_of_arguments_is_in_the_reference_alone_and_has_every_one() {
    let expression = format!("import {}", quoted(&manifest().join("nix/arguments.nix")));
    let names = support::json(&Nix::without_plugin().eval(&expression).ok());
    let reference = fs::read_to_string(manifest().join("docs/reference.md")).expect("a document");
    let table = reference.split("## What is accepted").next().expect("the first section");
    for name in names.as_array().expect("names") {
        let cell = format!("`{}`", name.as_str().expect("a name"));
        let rows = table.lines().filter(|line| {
            line.starts_with('|') && line.split('|').nth(1).is_some_and(|first| first.contains(&cell))
        });
        assert_eq!(rows.count(), 1, "{cell}");
    }
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document");
        assert_eq!(
            text.contains("| argument | default | meaning |"),
            document.ends_with("docs/reference.md"),
            "{}",
            document.display()
        );
    }
}

#[test]
fn links_lead_to_files_and_headings() {
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                document.clone()
            } else {
                document.parent().expect("a folder").join(file)
            };
            let target = fs::read_to_string(&target)
                .unwrap_or_else(|error| panic!("{}: {link}: {error}", document.display()));
            let headings = target
                .lines()
                .filter_map(|line| line.strip_prefix('#'))
                .map(|line| line.trim_start_matches('#').trim());
            let anchors: Vec<String> = headings
                .map(|line| {
                    line.to_lowercase()
                        .chars()
                        .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-')
                        .collect()
                })
                .map(|line: String| line.replace(' ', "-"))
                .collect();
            assert!(
                heading.is_empty() || anchors.iter().any(|anchor| anchor == heading),
                "{}: {link}: not in {anchors:?}",
                document.display()
            );
        }
    }
}
