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
fn every_command_is_documented() {
    let documentation = include_str!("../docs/command.md");
    let help = run(Command::new(gantry()).arg("--help")).ok();
    let commands = help.split("Commands:").nth(1).and_then(|rest| rest.split("Options:").next());
    let names =
        commands.expect("commands").lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names: Vec<&str> = names.filter(|name| !name.is_empty() && *name != "help").collect();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        assert!(documentation.contains(&format!("\n## gantry {name}\n")), "{name} is not in docs/command.md");
        // Its options, without those that commands have in common.
        let help = run(Command::new(gantry()).args([name, "--help"])).ok();
        for word in help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 4) {
            let option = word.trim_end_matches([',', ';', ']']);
            if ["--help", "--final-image-name", "--final-image-tag", "--repo-tag"].contains(&option) {
                continue;
            }
            assert!(documentation.contains(option), "{option} of {name} is not in docs/command.md");
        }
    }
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

#[test]
fn a_misspelt_command_is_answered_with_the_nearest_that_users_have() {
    let misspelt = run(Command::new(gantry()).arg("inspekt"));
    assert_eq!(misspelt.code, Some(2));
    assert!(misspelt.stderr.contains("a similar subcommand exists: 'inspect'"), "{}", misspelt.stderr);
    // `inside` is for the builder's own child process.
    for wrong in ["insidee", "insid"] {
        let ran = run(Command::new(gantry()).arg(wrong));
        assert_eq!(ran.code, Some(2));
        assert!(!ran.stderr.contains("'inside'"), "{}", ran.stderr);
    }
    assert_eq!(run(Command::new(gantry()).args(["help", "inside"])).code, Some(2));
}

#[test]
fn an_error_that_nobody_can_read_ends_with_1_all_the_same() {
    // A full disk under a redirected standard error, or none at all.
    for redirection in ["2>/dev/full", "2>&-"] {
        let script = format!("\"$0\" inspect /missing {redirection}");
        let ran = run(Command::new("sh").args(["-c", &script]).arg(gantry()));
        assert_eq!(ran.code, Some(1), "{redirection}: {}", ran.stderr);
    }
}

#[test]
fn threads_are_a_number_from_1() {
    let folder = Folder::new();
    for cores in ["0", "-1", "x", "", "1.5", "99999999999999999999999"] {
        let ran = run(Command::new(gantry())
            .args(["build", &format!("--cores={cores}"), "--attrs=x", "--out"])
            .arg(folder.join("out")));
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains("--cores"), "{}", ran.stderr);
    }
}
