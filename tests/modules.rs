//! `programs.gantry` of NixOS and Home Manager, with as much of the module system as they use (tests/stub-nixpkgs).

mod support;

use serde_json::{Value, json as value};
use support::stub_nixpkgs::{repository, stub};
use support::{Nix, Ran, json, quoted};

const MODULES: [(&str, &str); 2] =
    [("nixos", "environment.systemPackages"), ("home-manager", "home.packages")];

/// Evaluates an expression that knows `config`, of a system that has the module and `settings`.
fn configured(module: &str, settings: &str, expression: &str) -> Ran {
    let nix = Nix::without_plugin();
    nix.eval(&format!(
        "let pkgs = import {} \"x86_64-linux\";
           inherit (pkgs.lib.evalModules {{ modules = [ {} {{ {settings} }} ]; specialArgs = {{ inherit pkgs; }}; }}) config;
         in {expression}",
        quoted(&stub(&nix).join("pkgs.nix")),
        quoted(&repository().join("nix/modules").join(format!("{module}.nix"))),
    ))
}

#[track_caller]
fn config(module: &str, settings: &str, expression: &str) -> Value {
    json(&configured(module, settings, expression).ok())
}

/// The messages of the assertions that do not hold.
#[track_caller]
fn refused(module: &str, settings: &str) -> Vec<String> {
    let expression = "map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions)";
    let settings = format!("programs.gantry.enable = true; {settings}");
    serde_json::from_value(config(module, &settings, expression)).expect("messages")
}

#[test]
fn enabling_it_names_the_loader_and_puts_the_command_on_path() {
    for (module, packages) in MODULES {
        let shown = config(
            module,
            "programs.gantry.enable = true; nix.package = pkgs.versions.nix_2_24;",
            &format!(
                "{{ files = config.nix.settings.plugin-files; package = \"${{config.programs.gantry.package}}\";
                    packages = map toString config.{packages};
                    nix = config.programs.gantry.package.nix.version;
                    plugins = builtins.attrNames config.programs.gantry.package.plugins; }}"
            ),
        );
        let package = shown["package"].as_str().expect("a path");
        assert!(package.starts_with("/nix/store/"), "{shown}");
        assert_eq!(shown["files"], value!([format!("{package}/lib/nix/plugins/libgantry.so")]));
        assert_eq!(shown["packages"], value!([package]));
        assert_eq!(shown["nix"], "2.24.15");
        assert_eq!(shown["plugins"], value!(["2.24.15", "2.30.3", "2.31.2", "2.8.1"]));
        assert_eq!(refused(module, "nix.package = pkgs.nix;"), Vec::<String>::new());
    }
}

#[test]
fn without_enabling_it_changes_nothing() {
    for (module, packages) in MODULES {
        let (first, second) = packages.split_once('.').expect("a.b");
        let shown = config(
            module,
            "nix.package = pkgs.lix;",
            &format!("[ config.nix.settings.plugin-files config.assertions config.{first}.{second} ]"),
        );
        assert_eq!(shown, value!([[], [], []]));
    }
}

#[test]
fn a_nix_that_cannot_load_it_is_refused_with_the_reason() {
    for (module, _) in MODULES {
        for (nix, reason) in [
            ("pkgs.lix", "lix 2.93.3 is Lix, whose plugins have another interface; gantry.lib.<system> has"),
            ("pkgs.determinate", "determinate-nix 3.12.0 is Determinate Nix"),
            ("pkgs.nixStatic", "nix 2.31.2 is linked statically, so it cannot load plugins"),
            ("pkgs.nixWithoutHeaders", "nix 2.31.2 has no headers"),
            ("pkgs.versions.nix_2_3", "nix 2.3.18 is too old: the plugin needs Nix 2.8 or newer"),
            (
                "null",
                "it is null, so it is not known which Nix reads the configuration; set it, for example to pkgs.nix",
            ),
        ] {
            let messages = refused(module, &format!("nix.package = {nix};"));
            let begin = format!("programs.gantry: nix.package cannot load the plugin: {reason}");
            assert!(messages.len() == 1 && messages[0].starts_with(&begin), "{nix}: {messages:?}");
        }
    }
}

#[test]
fn a_package_without_a_plugin_for_nix_is_refused_with_those_that_it_has() {
    for (module, _) in MODULES {
        let package = format!(
            "programs.gantry.package = pkgs.callPackage {} {{ nix = pkgs.versions.nix_2_30; }};",
            quoted(&repository().join("nix/package.nix"))
        );
        let messages = refused(module, &format!("{package} nix.package = pkgs.versions.nix_2_31;"));
        assert_eq!(
            messages,
            [
                "programs.gantry: nix.package is Nix 2.31.2, and programs.gantry.package has plugins for 2.30.3: leave the \
              option at its default, or use its `.override { nix = config.nix.package; }`"
            ]
        );
        assert_eq!(
            refused(module, &format!("{package} nix.package = pkgs.versions.nix_2_30;")),
            Vec::<String>::new()
        );
    }
}

#[test]
fn the_default_package_is_made_by_the_systems_own_packages() {
    let shown = config(
        "nixos",
        "programs.gantry.enable = true; nix.package = pkgs.nix;",
        &format!(
            "config.programs.gantry.package.drvPath
               == (pkgs.callPackage {} {{ everyNix = true; nix = pkgs.nix; }}).drvPath",
            quoted(&repository().join("nix/package.nix"))
        ),
    );
    assert_eq!(shown, true);
}
