//! A sample of `make faults`: system calls that fail, and processes that are killed (tests/faults).

mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use support::{Folder, Ran, gantry, run};

fn faults(arguments: &[&str], program: &Path) -> Ran {
    run(Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults")).args(arguments).arg(program))
}

#[test]
fn a_sample_of_faults_leaves_nothing_and_says_where() {
    let ran = faults(&["--sample", "180"], &gantry());
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let (count, rest) = ran.stdout.split_once(" faults in ").expect("a summary");
    assert!(count.parse::<u32>().expect("a number") >= 150, "{}", ran.stdout);
    assert!(rest.ends_with("commands and kinds; 0 wrong\n"), "{}", ran.stdout);
}

#[test]
fn what_is_left_and_what_is_not_said_is_found() {
    let folder = Folder::new();
    let real = gantry().display().to_string();
    for (failure, expected) in [
        (": > \"$TMPDIR/left\"; exit 1", "left: "),
        ("echo 'error: x' >&2; exit 1", "it names no path"),
        ("exit 101", "exit status 101"),
        ("exit 0", "success, and another output"),
    ] {
        let script = folder.write("gantry", format!("#!/bin/sh\n{real} \"$@\" || {{ {failure}; }}\n"));
        std::fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("a mode");
        let ran = faults(&["--only", "archive", "--sample", "30"], &script);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stdout.contains(expected), "{failure}: {}", ran.stdout);
    }
}
