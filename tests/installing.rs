//! What docs/installing.md says about a `plugin-files` that goes wrong, with real Nix.

mod support;

use std::process::Command;

use support::stub_nixpkgs::repository;
use support::{Nix, dist, run};

/// `nix` that reads `nix_conf` as /etc/nix/nix.conf, and nothing else.
fn nix_with(nix: &Nix, nix_conf: &str) -> Command {
    let conf = nix
        .folder()
        .write("etc/nix.conf", format!("{nix_conf}\nexperimental-features = nix-command flakes\n"));
    let mut command = nix.command("nix");
    command.env("NIX_CONF_DIR", conf.parent().expect("a folder")).env_remove("NIX_CONFIG");
    command
}

#[test]
fn a_path_that_is_gone_fails_every_command_and_the_documented_line_runs_one() {
    let nix = Nix::without_plugin();
    let gone = "plugin-files = /nix/store/gone/lib/nix/plugins/libgantry.so";
    let error = run(nix_with(&nix, gone).args(["eval", "--expr", "1"])).err();
    assert!(error.contains("No such file or directory") && error.contains("libgantry.so"), "{error}");

    let docs = std::fs::read_to_string(repository().join("docs/installing.md")).expect("a page");
    assert!(docs.contains("$ NIX_CONFIG='plugin-files =' nix "), "the page has another line");
    let mut rescued = nix_with(&nix, gone);
    assert_eq!(run(rescued.env("NIX_CONFIG", "plugin-files =").args(["eval", "--expr", "1"])).ok(), "1");
}

#[test]
fn the_users_configuration_replaces_the_systems() {
    let nix = Nix::without_plugin();
    nix.folder().write("home/.config/nix/nix.conf", "plugin-files =\n");
    let loader = format!("plugin-files = {}/lib/nix/plugins/libgantry.so", dist().display());
    let missing = run(nix_with(&nix, &loader).args(["eval", "--expr", "builtins ? ociImage"])).ok();
    assert_eq!(missing, "false");
    std::fs::remove_file(nix.folder().join("home/.config/nix/nix.conf")).expect("the file");
    let there = run(nix_with(&nix, &loader).args(["eval", "--expr", "builtins ? ociImage"])).ok();
    assert_eq!(there, "true");
}

#[test]
fn a_flake_cannot_bring_the_plugin() {
    let nix = Nix::without_plugin();
    let loader = dist().join("lib/nix/plugins/libgantry.so");
    nix.folder().write(
        "flake/flake.nix",
        format!(
            "{{ nixConfig.plugin-files = \"{}\"; outputs = _: {{ there = builtins ? ociImage; }}; }}",
            loader.display()
        ),
    );
    let flake = format!("path:{}#there", nix.folder().join("flake").display());
    let ignored = run(nix_with(&nix, "").args(["eval", &flake]));
    assert!(
        ignored.stderr.contains("ignoring untrusted flake configuration setting 'plugin-files'"),
        "{ignored:?}"
    );
    assert_eq!(ignored.ok(), "false");
    let error = run(nix_with(&nix, "").args(["eval", "--accept-flake-config", &flake])).err();
    assert!(error.contains("plugin-files set after plugins were loaded"), "{error}");
}
