//! The flake, the package and the example, evaluated against a stand-in for nixpkgs (tests/stub-nixpkgs), and
//! flakes that use `builtins.ociImage`. Nothing of it is built: that takes the real nixpkgs.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Nix, Ran, json, output, run};

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies what a flake of this repository has, without what was built in it.
fn copy(nix: &Nix, name: &str, entries: &[&str]) -> PathBuf {
    let folder = nix.folder().join(name);
    fs::create_dir_all(&folder).expect("a folder");
    for entry in entries {
        output(
            "cp",
            &["-r", manifest().join(entry).to_str().expect("UTF-8"), folder.to_str().expect("UTF-8")],
        );
    }
    folder
}

fn project(nix: &Nix) -> PathBuf {
    copy(nix, "project", &["flake.nix", "nix", "src", "cpp", "Cargo.toml", "Cargo.lock", "build.rs"])
}

/// `nix COMMAND... path:FLAKE#ATTRIBUTE` with the stand-in as nixpkgs.
fn flake(nix: &Nix, command: &[&str], flake: &Path, attribute: &str, more: &[&str]) -> Ran {
    let stub = copy(nix, "stub", &["tests/stub-nixpkgs"]).join("stub-nixpkgs");
    let hash = if attribute.is_empty() { "" } else { "#" };
    let mut nix: Command = nix.command("nix");
    nix.args(command).arg(format!("path:{}{hash}{attribute}", flake.display()));
    nix.args(["--no-write-lock-file", "--override-input", "nixpkgs"]).arg(format!("path:{}", stub.display()));
    run(nix.args(more))
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
    nix_files(manifest(), &mut files);
    // Those are evaluated by tests/eval.rs, and one of them is wrong on purpose.
    files.retain(|file| !file.starts_with(manifest().join("tests/cases")));
    for wanted in
        ["flake.nix", "nix/oci-image.nix", "nix/package.nix", "nix/module.nix", "nix/example/flake.nix"]
    {
        assert!(files.contains(&manifest().join(wanted)), "{wanted} is not among {files:?}");
    }
    run(Nix::without_plugin().command("nix-instantiate").arg("--parse").args(&files)).ok();
}

mod of_the_project {
    use super::*;

    const SYSTEMS: [&str; 2] = ["x86_64-linux", "aarch64-linux"];

    #[test]
    fn outputs_are_there_for_every_system() {
        let nix = Nix::without_plugin();
        let project = project(&nix);
        let shown = flake(
            &nix,
            &["eval"],
            &project,
            "packages",
            &["--json", "--apply", "builtins.mapAttrs (_: builtins.attrNames)"],
        );
        let packages = json(&shown.ok());
        assert_eq!(
            packages,
            json(r#"{"x86_64-linux":["default","gantry"],"aarch64-linux":["default","gantry"]}"#)
        );
        for system in SYSTEMS {
            let names = |attribute: &str| {
                let attribute = format!("{attribute}.{system}");
                json(
                    &flake(
                        &nix,
                        &["eval"],
                        &project,
                        &attribute,
                        &["--json", "--apply", "builtins.attrNames"],
                    )
                    .ok(),
                )
            };
            assert_eq!(names("lib"), json(r#"["ociImage","pullImage"]"#));
            assert_eq!(names("checks"), json(r#"["gantry","image"]"#));
            let formatter = flake(&nix, &["eval"], &project, &format!("formatter.{system}.name"), &["--raw"]);
            assert!(formatter.ok().starts_with("nixpkgs-fmt-"));
        }
    }

    #[test]
    fn check_and_show_accept_it() {
        let nix = Nix::without_plugin();
        let project = project(&nix);
        let checked = flake(&nix, &["flake", "check", "--no-build"], &project, "", &[]);
        assert_eq!(checked.code, Some(0), "{}", checked.stderr);
        let shown = json(&flake(&nix, &["flake", "show", "--json"], &project, "", &[]).ok());
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(shown["packages"]["x86_64-linux"]["default"]["name"], format!("gantry-{version}"));
        assert_eq!(shown["nixosModules"]["default"]["type"], "nixos-module");
        assert!(!project.join("flake.lock").exists());
    }

    #[test]
    fn the_package_builds_plugin_loader_and_static_builder() {
        let nix = Nix::without_plugin();
        let project = project(&nix);
        let show = "p: builtins.removeAttrs (p.drvAttrs // {
            drv = p.drvPath;
            builder = p.builder.drvAttrs // { out = p.builder.outPath; };
            inputs = map (i: i.name) (p.drvAttrs.nativeBuildInputs ++ p.drvAttrs.buildInputs);
            src = builtins.attrNames (builtins.readDir p.src);
            nix = builtins.attrNames (builtins.readDir (p.src + \"/nix\"));
          }) [ \"buildInputs\" \"nativeBuildInputs\" ]";
        for (system, cpu) in [("x86_64-linux", "x86_64"), ("aarch64-linux", "aarch64")] {
            let attribute = format!("packages.{system}.default");
            let shown =
                flake(&nix, &["eval", "--impure"], &project, &attribute, &["--json", "--apply", show]);
            let package = json(&shown.ok());
            let text =
                |key: &str| package[key].as_str().unwrap_or_else(|| panic!("{key}: {package}")).to_string();
            assert!(text("drv").ends_with(&format!("-gantry-{}.drv", env!("CARGO_PKG_VERSION"))));
            assert_eq!(package["system"], system);
            assert_eq!(package["src"], json(r#"["Cargo.lock","Cargo.toml","build.rs","cpp","nix","src"]"#));
            assert_eq!(package["nix"], json(r#"["oci-image.nix"]"#));
            assert!(text("cargoLock").ends_with("Cargo.lock"));
            assert_eq!(package["cargoBuildFlags"], json(r#"["--lib"]"#));
            let inputs: Vec<&str> =
                package["inputs"].as_array().expect("a list").iter().filter_map(|i| i.as_str()).collect();
            for input in ["pkg-config-", "nix-expr-", "nix-store-", "nix-main-", "boost-", "nlohmann_json-"] {
                assert!(inputs.iter().any(|i| i.starts_with(input)), "{input} is not in {inputs:?}");
            }
            // The layout that cpp/loader.c and cpp/executable.cc look for.
            assert!(text("postBuild").contains("cpp/loader.c"), "{package}");
            let install = text("installPhase");
            let builder = format!("{}/bin/gantry", package["builder"]["out"].as_str().expect("a path"));
            for part in [
                format!(
                    "target/{cpu}-unknown-linux-gnu/release/libgantry.so $out/lib/gantry/2.31.2/libgantry.so"
                ),
                "$out/lib/nix/plugins/libgantry.so".into(),
                format!("{builder} $out/bin/gantry"),
            ] {
                assert!(install.contains(&part), "{part} is not in {install}");
            }
            let builder = &package["builder"];
            assert_eq!(builder["static"], true);
            assert_eq!(builder["buildNoDefaultFeatures"], true);
            assert_eq!(builder["cargoBuildFlags"], json(r#"["--bin","gantry"]"#));
        }
    }

    #[test]
    fn the_package_takes_another_nix_with_the_same_builder() {
        let nix = Nix::without_plugin();
        let project = project(&nix);
        let stub = manifest().join("tests/stub-nixpkgs/pkgs.nix");
        let older = format!(
            "p: let o = p.override {{ nix = (import {} \"x86_64-linux\").nix_2_24; }}; in {{
               inherit (o) installPhase; inputs = map (i: i.name) o.buildInputs;
               same = o.builder.drvPath == p.builder.drvPath; other = o.drvPath != p.drvPath; }}",
            stub.display()
        );
        let shown = flake(
            &nix,
            &["eval", "--impure"],
            &project,
            "packages.x86_64-linux.default",
            &["--json", "--apply", &older],
        );
        let package = json(&shown.ok());
        assert_eq!((&package["same"], &package["other"]), (&true.into(), &true.into()));
        assert!(package["installPhase"].as_str().expect("text").contains("lib/gantry/2.24.15/"), "{package}");
        assert_eq!(package["inputs"][0], "nix-2.24.15");
    }

    #[test]
    fn lib_makes_images_with_the_packages_builder() {
        let nix = Nix::without_plugin();
        let project = project(&nix);
        let apply = "lib: let i = lib.ociImage { name = \"App\"; tag = \"1\"; }; in [ i.imageRef i.system (toString i.drvAttrs.builder) ]";
        let shown =
            json(&flake(&nix, &["eval"], &project, "lib.aarch64-linux", &["--json", "--apply", apply]).ok());
        assert_eq!((&shown[0], &shown[1]), (&"app:1".into(), &"aarch64-linux".into()));
        let builder =
            flake(&nix, &["eval"], &project, "packages.aarch64-linux.default.builder.outPath", &["--raw"])
                .ok();
        assert_eq!(shown[2], format!("{builder}/bin/gantry"));
    }

    #[test]
    fn the_module_names_the_loader_made_for_the_systems_nix() {
        let nix = Nix::without_plugin();
        let project = project(&nix);
        let stub = manifest().join("tests/stub-nixpkgs/pkgs.nix");
        let apply = format!(
            "module: let pkgs = import {} \"x86_64-linux\"; in
             (module {{ inherit pkgs; config.nix.package = pkgs.nix_2_24; }}).nix.settings.plugin-files",
            stub.display()
        );
        let shown = flake(
            &nix,
            &["eval", "--impure"],
            &project,
            "nixosModules.default",
            &["--json", "--apply", &apply],
        );
        let files = json(&shown.ok());
        let file = files[0].as_str().expect("a path");
        assert!(
            file.starts_with("/nix/store/") && file.ends_with("/lib/nix/plugins/libgantry.so"),
            "{files}"
        );
        assert_eq!(files.as_array().map(Vec::len), Some(1));
    }
}

mod that_uses_the_builtin {
    use super::*;

    fn example(nix: &Nix) -> PathBuf {
        copy(nix, "user", &["nix/example/flake.nix"])
    }

    #[test]
    fn the_example_evaluates() {
        let nix = Nix::new();
        let example = example(&nix);
        let image = "packages.x86_64-linux.image";
        let reference = flake(&nix, &["eval"], &example, &format!("{image}.imageRef"), &["--raw"]).ok();
        let tag = reference.strip_prefix("registry.example/hello:").expect("the name");
        assert!(tag.len() == 32 && tag.bytes().all(|b| b.is_ascii_hexdigit()), "{tag}");
        let drv = flake(&nix, &["eval"], &example, &format!("{image}.drvPath"), &["--raw"]).ok();
        assert!(nix.real(&drv).exists(), "{drv}");
        let references = run(nix.command("nix-store").args(["--query", "--requisites", &drv])).ok();
        assert!(references.contains("-hello-2.12.2.drv"), "{references}");
    }

    #[test]
    fn the_example_says_what_is_missing_without_the_plugin() {
        let nix = Nix::without_plugin();
        let example = example(&nix);
        let error = flake(&nix, &["eval"], &example, "packages.x86_64-linux.image.imageRef", &[]).err();
        assert!(error.contains("this flake needs the Nix plugin gantry"), "{error}");
    }

    #[test]
    fn show_and_check_build_nothing() {
        let nix = Nix::new();
        let example = example(&nix);
        let shown = json(&flake(&nix, &["flake", "show", "--json"], &example, "", &[]).ok());
        let image = &shown["packages"]["x86_64-linux"]["image"];
        assert_eq!((&image["type"], &image["name"]), (&"derivation".into(), &"hello.tar".into()), "{shown}");
        let checked = flake(&nix, &["flake", "check", "--no-build"], &example, "", &[]);
        assert_eq!(checked.code, Some(0), "{}", checked.stderr);
        let store = fs::read_dir(nix.real("/nix/store")).expect("the store");
        for entry in store {
            let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
            assert!(
                !name.ends_with("-root") && !name.ends_with("-hello.tar") && !name.ends_with("-hello-2.12.2"),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_locked_evaluates_purely_from_the_cache_too() {
        let nix = Nix::new();
        let example = example(&nix);
        let drv =
            || flake(&nix, &["eval"], &example, "packages.x86_64-linux.default.drvPath", &["--raw"]).ok();
        assert_eq!(drv(), drv());
    }
}
