//! `buildNixShellImage` and `streamNixShellImage`.

use super::*;

#[test]
fn build_derivation_builds() {
    let nix = Nix::without_plugin();
    let container = load_stream(&nix, "nix-shell-basic");
    let rc = container.config()["Cmd"][2].as_str().expect("a file").to_owned();
    let script = format!("source {rc}; buildDerivation && cat $out/result");
    let shell = container.config()["Cmd"][0].as_str().expect("a shell").to_owned();
    assert_eq!(container.run(&[&shell, "-c", &script]).ok(), "built");
    assert_eq!(load(&nix, "nix-shell-build-derivation").run(&[]).ok(), "built");
}

#[test]
fn the_shell_hook_runs() {
    let nix = Nix::without_plugin();
    let ran = load_stream(&nix, "nix-shell-hook").run_on_terminal();
    assert!(ran.stdout.contains("This is the shell hook!"), "{ran:?}");
}

#[test]
fn inputs_are_on_the_path() {
    let nix = Nix::without_plugin();
    let ran = load_stream(&nix, "nix-shell-inputs").run_on_terminal();
    assert!(ran.stdout.contains("Hello, world!"), "{ran:?}");
}

#[test]
fn attributes_are_passed_as_files() {
    let nix = Nix::without_plugin();
    let ran = load_stream(&nix, "nix-shell-pass-as-file").run_on_terminal();
    assert!(ran.stdout.contains("this is a string"), "{ran:?}");
}

#[test]
fn a_command_needs_a_terminal_and_a_run_does_not() {
    let nix = Nix::without_plugin();
    let ran = load_stream(&nix, "nix-shell-command").run_on_terminal();
    assert!(ran.stdout.contains("This shell is interactive"), "{ran:?}");
    assert_eq!(load_stream(&nix, "nix-shell-run").run(&[]).ok(), "This shell is not interactive");
}

#[test]
fn the_home_directory_is_writable_or_need_not_be_there() {
    let nix = Nix::without_plugin();
    assert_eq!(load_stream(&nix, "nix-shell-writable-home").run(&[]).ok(), "writable home");
    assert_eq!(load_stream(&nix, "nix-shell-nonexistent-home").run(&[]).ok(), "no home");
}

#[test]
fn the_user_owns_the_store() {
    let nix = Nix::without_plugin();
    let container = load_stream(&nix, "nix-shell-run");
    assert_eq!(container.config()["User"], "1000:1000");
    for directory in ["nix", "nix/store", "nix/var/nix", "etc/nix", "build"] {
        assert_eq!(container.stat(directory), "755 1000:1000", "{directory}");
    }
}
