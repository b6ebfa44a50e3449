//! The command line: help, exit codes, errors.

mod support;

use std::process::Command;

use support::{Folder, gantry, run};

#[test]
fn help_names_the_commands_and_the_exit_codes() {
    let help = run(Command::new(gantry()).arg("--help")).ok();
    for part in ["build", "inspect", "Exit status", "130"] {
        assert!(help.contains(part), "{part} is not in {help}");
    }
    let version = run(Command::new(gantry()).arg("--version")).ok();
    assert_eq!(version, concat!("gantry ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_ends_with_2_and_failure_with_1() {
    let wrong = run(Command::new(gantry()).args(["inspect", "--jsno", "x"]));
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("--json"), "{}", wrong.stderr);
    let folder = Folder::new();
    let missing = run(Command::new(gantry()).arg("inspect").arg(folder.join("missing")));
    assert_eq!(missing.code, Some(1));
    assert_eq!(missing.stderr.lines().count(), 1, "{}", missing.stderr);
    assert!(missing.stderr.contains("missing: No such file"), "{}", missing.stderr);
}
