//! tests/support/sid, which makes a root of Debian sid: CI tells by its exit status whether sid is at fault.

mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use support::{Folder, run};

#[test]
fn a_sid_that_cannot_be_installed_has_an_exit_status_of_its_own() {
    let folder = Folder::new();
    let script = "#!/bin/sh\necho 'E: libc6 depends on what is not there' >&2; exit 1\n";
    let debootstrap = folder.write("bin/debootstrap", script);
    std::fs::set_permissions(debootstrap, Permissions::from_mode(0o755)).expect("a mode");
    let path = std::env::var("PATH").expect("a PATH");
    let ran = run(Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/sid"))
        .args(["touch", "/never"])
        .env("PATH", format!("{}:{path}", folder.join("bin").display()))
        .env("GANTRY_SID_ROOT", folder.join("root")));
    assert_eq!(ran.code, Some(75), "{}", ran.stderr);
    let (cause, verdict) = ran.stderr.split_once("sid: ").expect("a message");
    assert!(cause.contains("E: libc6 depends on what is not there"), "{}", ran.stderr);
    assert!(verdict.starts_with("Debian sid cannot be installed today: debootstrap failed."), "{verdict}");
    assert!(!folder.join("root").exists(), "a half-made root is left behind");
}
