//! Scripts that fail, hang, leave something running or are stopped: what is said, and that nothing is left.

mod support;

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Scripts, argument, as_nobody, layer_names, listing, run, ways, with_environment};

#[test]
fn the_error_names_the_argument_and_the_status_below_what_the_script_said() {
    let scripts = Scripts::new();
    for (script, says, status) in [
        ("echo said; exit 3", "said", "exit status 3"),
        ("echo said; false; echo never", "said", "exit status 1"),
        ("echo said | cat; nowhere-to-be-found", "said", "exit status 127"),
        ("echo said; exit 255", "said", "exit status 255"),
        ("echo said; if", "", "exit status 2"),
    ] {
        for (way, arguments) in ways(script) {
            let name = argument(way);
            let (error, before) = scripts.refused(arguments);
            assert_eq!(error, format!("error: {name}: the script ended with {status}; its output is above"));
            assert!(before.starts_with(says) && !before.contains("never"), "{before}");
        }
    }
}

#[test]
fn a_script_that_is_killed_is_an_error_that_names_the_signal() {
    let scripts = Scripts::new();
    for signal in [9, 15, 11] {
        for (way, arguments) in ways(&format!("echo said; kill -{signal} $$; sleep 1")) {
            let name = argument(way);
            let (error, before) = scripts.refused(arguments);
            assert_eq!(
                error,
                format!("error: {name}: signal {signal} ended the script; its output is above")
            );
            assert!(before.starts_with("said"), "{before}");
        }
    }
}

#[test]
fn a_script_cannot_end_those_who_watch_it() {
    let scripts = Scripts::new();
    // Its parent is the init of its namespace, which no signal of a child ends.
    for (way, arguments) in ways("kill -9 1; kill -15 1; kill -9 -1 2> /dev/null || true; echo x > x") {
        scripts.run(arguments, "out").ok();
        assert_eq!(scripts.names("out"), layer_names(way, &["x"]), "{way}");
        fs::remove_dir_all(scripts.folder().join("out")).expect("an output");
    }
}

#[test]
fn a_shell_that_is_none_is_an_error_that_names_it() {
    let scripts = Scripts::new();
    let none = scripts.add("none", &[("bin/zsh", "#!"), ("lib/x", "")]);
    let text = scripts.add("text", &[("x", "text")]);
    let directory = scripts.add("directory", &[("bin/sh/x", "")]);
    for shell in [&none, &directory, "/nix/store/nowhere"] {
        for (_, mut arguments) in ways("true") {
            arguments["shell"] = json!(shell);
            let (error, _) = scripts.refused(arguments);
            assert_eq!(
                error,
                format!("error: shell: {shell} is no program, and has neither bin/bash nor bin/sh")
            );
        }
    }
    for (way, mut arguments) in ways("true") {
        let name = argument(way);
        let shell = format!("{text}/x");
        arguments["shell"] = json!(shell);
        let (error, _) = scripts.refused(arguments);
        assert!(
            error.starts_with(&format!("error: {name}: cannot run {shell}: Permission denied")),
            "{error}"
        );
    }
}

#[test]
fn what_scripts_leave_running_is_gone_when_they_end() {
    let scripts = Scripts::new();
    for (i, (_, arguments)) in
        ways(&daemons(&format!("sleep 1{}", std::process::id()))).into_iter().enumerate()
    {
        let started = Instant::now();
        scripts.run(arguments, &format!("out{i}")).ok();
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        assert_eq!(alive(&format!("1{}", std::process::id())), 0);
    }
}

/// A script that starts `program` in the background: a child, a child of nobody in a session of its own, and one
/// that hears no signal.
fn daemons(program: &str) -> String {
    format!(
        "{program} & (setsid {program} > /dev/null 2>&1 &); (trap '' TERM INT HUP; {program}; {program}) & sleep 0.2"
    )
}

/// How many processes of this machine have an argument.
fn alive(argument: &str) -> usize {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|&byte| byte == 0).any(|word| word == argument.as_bytes())).count()
}

#[test]
fn a_build_that_is_stopped_ends_everything_and_leaves_nothing() {
    for (i, signal) in ["INT", "TERM", "KILL"].into_iter().enumerate() {
        for (j, way) in (0..4).enumerate() {
            let scripts = Scripts::new();
            let mark = format!("2{i}{j}{}", std::process::id());
            let script = format!(
                "{}; mkdir d; touch d/x; chmod 0 d; echo ready; sleep {mark}",
                daemons(&format!("sleep {mark}"))
            );
            let [.., arguments] = [ways(&script)[way].1.clone()];
            let mut build = scripts.build(&arguments, "out");
            // Not the group of whoever runs the tests: a terminal's Ctrl-C is for all of a group.
            let mut child = build.stderr(Stdio::piped()).process_group(0).spawn().expect("a builder");
            wait_until(|| alive(&mark) >= 4, "the script");
            let started = Instant::now();
            run(Command::new("kill").args([format!("-{signal}"), child.id().to_string()])).ok();
            let status = child.wait().expect("an end");
            wait_until(|| alive(&mark) == 0, "the end of the script");
            assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
            assert!(!scripts.folder().join("out").exists());
            if signal != "KILL" {
                assert_eq!(status.code(), Some(130), "SIG{signal}");
                assert_eq!(listing(&scripts.temporary()), [""; 0], "SIG{signal}");
            }
        }
    }
}

#[track_caller]
fn wait_until(done: impl Fn() -> bool, what: &str) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(20), "no {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_failed_script_of_an_ordinary_user_leaves_nothing_either() {
    let scripts = Scripts::new();
    use std::os::unix::fs::PermissionsExt;
    for path in [scripts.folder().path(), &scripts.temporary()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("a mode");
    }
    for (name, arguments) in ways("mkdir -p a/b; touch a/b/c; chmod 0 a/b a; exit 4") {
        let build = scripts.build(&arguments, "out");
        let error = run(&mut as_nobody(&build)).err();
        assert!(error.contains("exit status 4"), "{error}");
        assert_eq!(listing(&scripts.temporary()), [""; 0], "{name}");
    }
}

#[test]
fn where_user_namespaces_are_forbidden_the_error_names_the_setting() {
    let scripts = Scripts::new();
    for (_, arguments) in ways("true") {
        let build = scripts.build(&arguments, "out");
        let forbid = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", forbid, "sh"]);
        command.arg(build.get_program()).args(build.get_args());
        let error = run(&mut with_environment(command, &build)).err();
        let last = error.lines().last().expect("an error");
        assert!(last.starts_with("error: ") && last.contains("user namespaces"), "{error}");
        assert!(last.contains("sysctl -w user.max_user_namespaces="), "{error}");
        assert_eq!(listing(&scripts.temporary()), [""; 0]);
    }
}
