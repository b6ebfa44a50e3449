//! The outputs of the flake, and of default.nix, evaluated against a stand-in for nixpkgs that has every kind of
//! entry that nixpkgs' `nixVersions` has. tests/package.rs builds.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json as value};
use support::stub_nixpkgs::{flake, nix_at_nix_store, project, repository, stub};
use support::{Nix, Ran, json, quoted, run};

const SYSTEMS: [&str; 2] = ["x86_64-linux", "aarch64-linux"];
/// The releases in the stand-in's `nixVersions` that a plugin can be built for.
const RELEASES: [&str; 4] = ["2.24.15", "2.30.3", "2.31.2", "2.8.1"];

/// The flake of this repository, with the stand-in as nixpkgs.
struct Project {
    nix: Nix,
    folder: PathBuf,
    stub: PathBuf,
}

impl Project {
    fn new() -> Project {
        let nix = Nix::without_plugin();
        let (folder, stub) = (project(&nix), stub(&nix));
        Project { nix, folder, stub }
    }

    fn run(&self, command: &[&str], attribute: &str, more: &[&str]) -> Ran {
        flake(&self.nix, command, &self.folder, attribute, &[("nixpkgs", &self.stub)], more)
    }

    /// The value of `apply ATTRIBUTE`.
    #[track_caller]
    fn value(&self, attribute: &str, apply: &str) -> Value {
        json(&self.run(&["eval", "--impure"], attribute, &["--json", "--apply", apply]).ok())
    }

    /// The value of an expression that knows `pkgs`, the stand-in for `system`, and `gantry`, what default.nix has.
    fn eval(&self, system: &str, expression: &str) -> Ran {
        self.nix.eval(&format!(
            "let pkgs = import {} \"{system}\"; gantry = import {} {{ inherit pkgs; }}; in {expression}",
            quoted(&self.stub.join("pkgs.nix")),
            quoted(&self.folder),
        ))
    }
}

fn nix_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() && name != "target" && !name.starts_with('.') {
            nix_files(&path, found);
        } else if name.ends_with(".nix") {
            found.push(path);
        }
    }
}

#[test]
fn every_nix_file_is_nix() {
    let mut files = Vec::new();
    nix_files(repository(), &mut files);
    // Those are evaluated by tests/eval.rs, and one of them is wrong on purpose.
    files.retain(|file| !file.starts_with(repository().join("tests/cases")));
    for wanted in
        ["flake.nix", "default.nix", "nix/oci-image.nix", "nix/machine-test.nix", "nix/modules/nixos.nix"]
    {
        assert!(files.contains(&repository().join(wanted)), "{wanted} is not among {files:?}");
    }
    run(Nix::without_plugin().command("nix-instantiate").arg("--parse").args(&files)).ok();
}

#[test]
fn outputs_are_there_for_every_system() {
    let project = Project::new();
    for system in SYSTEMS {
        let names = |attribute: &str| project.value(&format!("{attribute}.{system}"), "builtins.attrNames");
        assert_eq!(names("packages"), value!(["default", "gantry"]));
        assert_eq!(names("lib"), value!(["dockerTools", "nix2container", "ociImage", "pullImage"]));
        assert_eq!(names("devShells"), value!(["default"]));
        let checks = names("checks");
        for release in RELEASES {
            for check in [format!("plugin-{release}"), format!("evaluation-{release}")] {
                assert!(
                    checks.as_array().expect("names").contains(&check.clone().into()),
                    "{check}: {checks}"
                );
            }
        }
        assert_eq!(checks.as_array().map(Vec::len), Some(2 * RELEASES.len() + 3), "{checks}");
    }
    assert_eq!(project.value("overlays", "builtins.attrNames"), value!(["default", "dockerTools"]));
    assert_eq!(project.value("nixosModules", "builtins.attrNames"), value!(["default"]));
    assert_eq!(project.value("homeModules", "builtins.attrNames"), value!(["default"]));
}

#[test]
fn every_derivation_evaluates() {
    let project = Project::new();
    for system in SYSTEMS {
        for output in ["packages", "checks", "devShells"] {
            let paths = project
                .value(&format!("{output}.{system}"), "builtins.mapAttrs (_: d: [ d.drvPath d.system ])");
            for (name, derivation) in paths.as_object().expect("a set") {
                assert_eq!(derivation[1], system, "{output}.{name}");
            }
        }
        let formatter =
            project.value(&format!("formatter.{system}"), "f: [ f.drvPath f.text or f.buildCommand ]");
        assert!(formatter[1].as_str().expect("a script").contains("-nixfmt-"), "{formatter}");
    }
}

#[test]
fn check_and_show_accept_it_and_lock_nothing() {
    let project = Project::new();
    let mut check = nix_at_nix_store(&project.nix);
    check.args(["flake", "check", "--no-build", "--no-write-lock-file", "--override-input", "nixpkgs"]);
    check.arg(format!("path:{}", project.stub.display())).arg(format!("path:{}", project.folder.display()));
    run(&mut check).ok();
    let shown = json(&project.run(&["flake", "show", "--json"], "", &[]).ok());
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(shown["packages"]["x86_64-linux"]["default"]["name"], format!("gantry-{version}"));
    assert_eq!(shown["nixosModules"]["default"]["type"], "nixos-module");
    assert_eq!(shown["overlays"]["dockerTools"]["type"], "nixpkgs-overlay");
    assert_eq!(shown["templates"]["service"]["type"], "template");
    assert!(!project.folder.join("flake.lock").exists());
}

mod the_package {
    use super::*;

    #[test]
    fn default_has_a_plugin_for_each_release_that_evaluates() {
        let project = Project::new();
        for system in SYSTEMS {
            let plugins = project.value(
                &format!("packages.{system}.default"),
                "p: map (version: p.plugins.${version}.pname) (builtins.attrNames p.plugins)",
            );
            // Not there: 2.3 (too old), 2.26 and aliases (throw), 2.28 (insecure), 2.99 (newer than the shim),
            // a snapshot, and names for releases that are there already.
            assert_eq!(plugins, value!(RELEASES.map(|release| format!("gantry-plugin-nix-{release}"))));
        }
    }

    #[test]
    fn gantry_has_the_plugin_for_one_nix() {
        let project = Project::new();
        let of = |expression: &str| {
            json(
                &project
                    .eval("x86_64-linux", &format!("let g = gantry.packages.gantry; in {expression}"))
                    .ok(),
            )
        };
        assert_eq!(of("builtins.attrNames g.plugins"), value!(["2.31.2"]));
        let other = "(g.override { nix = pkgs.versions.nix_2_24; })";
        assert_eq!(of(&format!("builtins.attrNames {other}.plugins")), value!(["2.24.15"]));
        // Rust is compiled once for all of them.
        assert_eq!(
            of(&format!("g.core.drvPath == {other}.core.drvPath && g.drvPath != {other}.drvPath")),
            value!(true)
        );
        // A snapshot is built for when it is asked for.
        assert_eq!(
            of("builtins.attrNames (g.override { nix = pkgs.versions.git; }).plugins"),
            value!(["2.34pre20260101_abcdef01"])
        );
    }

    #[test]
    fn everything_of_one_version_comes_from_the_nix_that_is_given() {
        let project = Project::new();
        let plugins = json(
            &project
                .eval(
                    "x86_64-linux",
                    r#"let
                      mine = pkgs.nix // { outPath = "/nix/store/mine"; libs = pkgs.nix.libs // {
                        nix-expr = pkgs.nix.libs.nix-expr // { name = "mine"; }; }; };
                      p = gantry.packages.default.override { nix = mine; };
                    in { names = builtins.attrNames p.plugins;
                         mine = builtins.elem "mine" (map (i: i.name) p.plugins."2.31.2".buildInputs); }"#,
                )
                .ok(),
        );
        assert_eq!(plugins, value!({ "names": RELEASES, "mine": true }));
    }

    #[test]
    fn a_plugin_is_made_with_what_its_nix_was_made_with() {
        let project = Project::new();
        let inputs = |release: &str| {
            project.value(
                "packages.x86_64-linux.default",
                &format!(
                    "p: let plugin = p.plugins.\"{release}\"; in
                     [ plugin.stdenvName ] ++ map (i: i.name) plugin.buildInputs"
                ),
            )
        };
        assert_eq!(
            inputs("2.30.3"),
            value!([
                "components-2.30.3",
                "nix-util-2.30.3",
                "nix-store-2.30.3",
                "nix-fetchers-2.30.3",
                "nix-expr-2.30.3",
                "nix-main-2.30.3",
                "boost-1.86.0",
                "nlohmann_json-3.12.0"
            ])
        );
        assert_eq!(
            inputs("2.24.15"),
            value!(["one-piece-2.24.15", "nix-2.24.15", "boost-1.81.0", "nlohmann_json-3.12.0"])
        );
    }

    #[test]
    fn a_nix_that_loads_no_plugin_is_refused_with_the_reason() {
        let project = Project::new();
        for (nix, reason) in [
            ("lix", "lix 2.93.3 is Lix, whose plugins have another interface"),
            ("determinate", "determinate-nix 3.12.0 is Determinate Nix"),
            ("versions.nix_2_3", "nix 2.3.18 is too old: the plugin needs Nix 2.8 or newer"),
            ("nixStatic", "nix 2.31.2 is linked statically"),
            ("nixWithoutHeaders", "nix 2.31.2 has no headers"),
        ] {
            let expression = format!("(gantry.packages.gantry.override {{ nix = pkgs.{nix}; }}).drvPath");
            let error = project.eval("x86_64-linux", &expression).err();
            assert!(error.contains(&format!("gantry: {reason}")), "{nix}: {error}");
        }
    }

    #[test]
    fn an_old_rust_is_refused_with_what_to_do() {
        let project = Project::new();
        let core = project.folder.join("nix/core.nix");
        let expression = format!(
            "(pkgs.callPackage {} {{ rustc = pkgs.rustc // {{ version = \"1.86.0\"; }}; }}).drvPath",
            quoted(&core)
        );
        let error = project.eval("x86_64-linux", &expression).err();
        assert!(
            error.contains(
                "gantry needs Rust 1.90 or newer, and this nixpkgs has 1.86.0: take the package from a newer"
            ),
            "{error}"
        );
    }
}

mod lib {
    use super::*;

    #[test]
    fn makes_images_with_the_packages_builder() {
        let project = Project::new();
        let shown = project.value(
            "lib.aarch64-linux",
            "lib: let i = lib.ociImage { name = \"App\"; tag = \"1\"; }; in [ i.imageRef i.system (toString i.drvAttrs.builder) ]",
        );
        let builder = project.value("packages.aarch64-linux.default", "p: p.builder.outPath");
        let builder = builder.as_str().expect("a path");
        assert_eq!(shown, value!(["app:1", "aarch64-linux", format!("{builder}/bin/gantry")]));
    }

    #[test]
    fn has_docker_tools() {
        let project = Project::new();
        let name = project.value(
            "lib.x86_64-linux",
            "lib: (lib.dockerTools.buildLayeredImage { name = \"app\"; tag = \"1\"; }).imageName",
        );
        assert_eq!(name, "app");
    }
}

mod overlays {
    use super::*;

    #[test]
    fn add_the_package_and_replace_docker_tools_each_alone() {
        let project = Project::new();
        let apply = |overlay: &str, expression: &str| {
            json(
                &project
                    .eval(
                        "x86_64-linux",
                        &format!(
                            "let final = pkgs // changed; changed = gantry.overlays.{overlay} final pkgs; in {expression}"
                        ),
                    )
                    .ok(),
            )
        };
        assert_eq!(
            apply("default", "[ (builtins.attrNames changed) (builtins.attrNames final.gantry.plugins) ]"),
            value!([["gantry"], ["2.31.2"]])
        );
        assert_eq!(
            apply(
                "dockerTools",
                "[ (builtins.attrNames changed) (final.dockerTools.buildImage { name = \"a\"; tag = \"1\"; }).imageTag ]"
            ),
            value!([["dockerTools"], "1"])
        );
    }
}

#[test]
fn default_nix_has_what_the_flake_has() {
    let project = Project::new();
    let flakes = project.value("packages.x86_64-linux", "builtins.mapAttrs (_: p: p.drvPath)");
    let expression = format!(
        "let pkgs = (builtins.getFlake \"path:{}\").legacyPackages.x86_64-linux; gantry = import {} {{ inherit pkgs; }}; in
         {{ packages = builtins.mapAttrs (_: p: p.drvPath) gantry.packages;
            others = builtins.attrNames gantry; lib = builtins.attrNames gantry.lib; }}",
        project.stub.display(),
        quoted(&project.folder),
    );
    let without = json(&project.nix.eval(&expression).ok());
    assert_eq!(without["packages"], flakes);
    assert_eq!(without["lib"], value!(["dockerTools", "nix2container", "ociImage", "pullImage"]));
    assert_eq!(without["others"], value!(["homeModules", "lib", "nixosModules", "overlays", "packages"]));
}

#[test]
fn the_machine_test_uses_the_module_and_both_engines() {
    let project = Project::new();
    let machine = project.value(
        "checks.x86_64-linux.machine",
        "c: { inherit (c) testScript; inherit (c.described.nodes.machine) programs virtualisation; }",
    );
    assert_eq!(machine["programs"]["gantry"]["enable"], true);
    assert_eq!(machine["virtualisation"]["docker"]["enable"], true);
    assert_eq!(machine["virtualisation"]["podman"]["enable"], true);
    let script = machine["testScript"].as_str().expect("Python");
    let checked = run(std::process::Command::new("python3").args([
        "-c",
        "import ast, sys; ast.parse(sys.argv[1])",
        script,
    ]));
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
}
