//! Ways out of scripts, by mechanism: the programs in tests/escapes try each of them in every kind of script, by hand
//! as root, as an ordinary user, in a container whose only user is root, and in Nix's sandbox. Each prints whether it
//! got out, and what is outside is looked at, too. tests/escapes/README.md lists the ways, and says what blocks them.
//!
//! That the attacks work at all is shown by the same programs where nothing stands in their way.

#[path = "escapes/outside.rs"]
mod outside;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use outside::{Attacked, Outside, TOKEN, attack, base, everybodys};
use serde_json::{Value, json};
use support::{Folder, Nix, as_nobody, output, packages, quoted, run, with_environment};

/// Longer than any run takes; a script that waits for its own tracer would wait for good.
const LIMIT: &str = "30";

/// The names of all attacks, in their order.
fn names() -> BTreeSet<String> {
    output(attack().to_str().expect("UTF-8"), &["list"]).lines().map(str::to_string).collect()
}

/// What attacks said: `ESCAPED how`, `blocked errno` or `HUNG signal` for each.
type Said = BTreeMap<String, String>;

fn said(printed: &str) -> Said {
    let lines = printed.lines().filter_map(|line| line.strip_prefix("attack "));
    lines
        .filter_map(|line| line.split_once(' '))
        .map(|(name, said)| (name.to_string(), said.to_string()))
        .collect()
}

/// The four ways in which a script is run, whether it is chrooted, and whether it is traced from the beginning.
const WAYS: [(&str, bool); 4] =
    [("extraCommands", false), ("fakeRootCommands", false), ("enableFakechroot", true), ("runAsRoot", true)];

/// The script of all attacks, with what they are told.
fn script(variables: &[(&'static str, String)], chrooted: bool, more: &[(&'static str, &str)]) -> String {
    let mut text = format!("export SCRIPT=$$ CHROOTED={}", u8::from(chrooted));
    let variables = variables.iter().map(|(name, value)| (*name, &**value)).chain(more.iter().copied());
    for (name, value) in variables.filter(|(name, _)| !(chrooted && ["WRITABLE", "PLANTED"].contains(name))) {
        text += &format!(" {name}='{value}'");
    }
    // Those with ptrace come last: a script that traces its tracer would say nothing any more.
    text + "\nattack all\necho attack ptrace-began blocked -\nattack ptrace\n"
}

/// The arguments of a script.
fn arguments(way: &str, script: &str) -> Value {
    match way {
        "enableFakechroot" => json!({ "fakeRootCommands": script, "enableFakechroot": true }),
        way => json!({ way: script }),
    }
}

/// Attacks that a filter of system calls refuses, so that no privilege and no kernel's settings matter.
const FILTERED: [(&str, &str); 15] = [
    ("kexec", "EPERM"),
    ("kexec_file", "EPERM"),
    ("bpf", "EPERM"),
    ("userfaultfd", "EPERM"),
    ("perf", "EPERM"),
    ("add_key", "EPERM"),
    ("request_key", "EPERM"),
    ("keyctl", "EPERM"),
    ("modules", "EPERM"),
    ("module-removal", "EPERM"),
    ("file-handle", "EPERM"),
    ("io_uring", "ENOSYS"),
    ("io_uring-other", "ENOSYS"),
    ("ptrace-attach", "EPERM"),
    ("ptrace-seize", "EPERM"),
];

/// What is wrong with what the attacks of one script said.
fn escapes(found: &Said) -> Vec<String> {
    let mut all = names();
    all.extend(["ptrace-attach", "ptrace-seize"].map(str::to_string));
    let mut wrong = Vec::new();
    for name in all {
        let expected = FILTERED.iter().find(|(filtered, _)| *filtered == name);
        match (found.get(&name), expected) {
            (None, _) => wrong.push(format!("{name}: did not end")),
            (Some(said), None) if said.starts_with("blocked ") => {}
            (Some(said), Some((_, errno))) if *said == format!("blocked {errno}") => {}
            (Some(said), None) => wrong.push(format!("{name}: {said}")),
            (Some(said), Some((_, errno))) => wrong.push(format!("{name}: {said}, not blocked {errno}")),
        }
    }
    wrong
}

/// Who runs the builder by hand.
#[derive(Clone, Copy, PartialEq)]
enum Caller {
    Root,
    Ordinary,
    /// Root of a user namespace that has no other user.
    Container,
}

/// A builder's command as a caller runs it, with a descriptor of a directory left open.
fn called_by(caller: Caller, build: &Command, outside: &Path) -> Command {
    let nobodys = (caller == Caller::Ordinary).then(|| as_nobody(build));
    let build = nobodys.as_ref().unwrap_or(build);
    let mut command = Command::new("timeout");
    command
        .args(["--foreground", "--signal=KILL", LIMIT, "sh", "-c", r#"exec 7< "$0"; exec "$@""#])
        .arg(outside);
    command.arg(build.get_program());
    if caller == Caller::Container {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(build.get_args());
    with_environment(command, build)
}

fn no_way_out(caller: Caller) {
    let mut wrong = Vec::new();
    for (way, chrooted) in WAYS {
        let attacked = Attacked::new();
        let (scripts, base) = (&attacked.scripts, base());
        let mut outside = Outside::new(scripts.folder());
        let file = format!("{}/file", attacked.canary);
        let mut more = vec![("STORE_FILE", &*file)];
        if way == "extraCommands" {
            more.push(("INT80", "1"));
        }
        let mut arguments = arguments(way, &script(&outside.variables(), chrooted, &more));
        arguments["path"] = json!([attacked.attack, scripts.busybox()]);
        if way == "runAsRoot" {
            arguments["fromImage"] = json!(base.folder.path());
        }
        let log = scripts.folder().write("log", format!("{TOKEN}\n"));
        everybodys(&log);
        let mut command = called_by(caller, &scripts.build(&arguments, "out"), &outside.directory);
        command.stderr(fs::OpenOptions::new().append(true).open(&log).expect("a log"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).env("SECRET_VARIABLE", TOKEN);
        let status = command.process_group(outside.member.id() as i32).status().expect("timeout");
        let log = fs::read_to_string(&log).expect("a log");
        let mut found = escapes(&said(&log));
        if status.code() == Some(0) {
            let layer = scripts.names("out");
            let expected = |name: &&String| ["mounted", "srv", "nix", "tmp"].contains(&name.as_str());
            found.extend(
                layer.iter().filter(|name| !expected(name)).map(|name| format!("the layer has {name}")),
            );
            let left = support::listing(&scripts.temporary());
            found.extend(left.iter().map(|name| format!("left: {name}")));
        } else {
            let last = log.lines().last().unwrap_or_default();
            found.push(format!("the build ended with {status}: {last}"));
        }
        found.extend(outside.changes());
        found.extend(attacked.changes());
        wrong.extend(found.into_iter().map(|line| format!("{way}: {line}")));
    }
    assert!(wrong.is_empty(), "{} ways out:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_script_gets_out_of_a_build_by_root() {
    no_way_out(Caller::Root);
}

#[test]
fn no_script_gets_out_of_a_build_by_an_ordinary_user() {
    no_way_out(Caller::Ordinary);
}

#[test]
fn no_script_gets_out_of_a_build_in_a_container_whose_only_user_is_root() {
    no_way_out(Caller::Container);
}

/// In the sandbox the outside is its own root: the directory of the build, and its store.
#[test]
fn no_script_gets_out_of_a_build_in_the_sandbox() {
    let nix = Nix::new();
    let folder = Folder::new();
    let mut outside = Outside::new(&folder);
    for name in ["attack/bin", "canary"] {
        fs::create_dir_all(folder.join(name)).expect("a directory");
    }
    fs::copy(attack(), folder.join("attack/bin/attack")).expect("a program");
    folder.write("canary/file", TOKEN);
    let base = base();
    let path = |path: &Path, name: &str| {
        format!("(builtins.path {{ path = {}; name = \"{name}\"; }})", quoted(path))
    };
    let canary = format!("{} builtins.toString {}", packages(), path(&folder.join("canary"), "canary"));
    let canary =
        run(nix.command("nix-instantiate").args(["--eval", "--read-write-mode", "--expr", &canary])).ok();
    let canary = nix.real(canary.trim_matches('"'));
    let mut wrong = Vec::new();
    for (way, chrooted) in WAYS {
        let (argument, more) = match way {
            "enableFakechroot" => ("fakeRootCommands", "enableFakechroot = true;".to_string()),
            "runAsRoot" => (way, format!("fromImage = {};", path(base.folder.path(), "base"))),
            way => (way, String::new()),
        };
        let mut variables = outside.variables();
        // The last one counts.
        variables.extend([
            ("OUTSIDE", "/build".to_string()),
            ("SECRET", "/build/.attrs.json".to_string()),
            ("WRITABLE", "/:/build:/etc:/nix/store".to_string()),
        ]);
        let text = script(&variables, chrooted, &[]);
        let image = format!(
            "{}(builtins.ociImage {{ name = \"app\"; shell = busybox; path = [ {} busybox ]; {more} \
             {argument} = \"export STORE_FILE=${{{}}}/file\\n\" + {}; }}).root",
            packages(),
            path(&folder.join("attack"), "attack"),
            path(&folder.join("canary"), "canary"),
            nix_string(&format!("# {TOKEN}\n{text}")),
        );
        let ran = run(nix.command("nix-build").args(["--no-out-link", "--timeout", LIMIT, "--expr", &image]));
        let mut found = escapes(&said(&ran.stderr));
        if ran.code != Some(0) {
            found.push(format!("the build failed: {}", ran.stderr.lines().last().unwrap_or_default()));
        }
        let listed = support::listing(&canary);
        if listed.len() != 1 || fs::read_to_string(canary.join("file")).ok().as_deref() != Some(TOKEN) {
            found.push(format!("the store has {listed:?}"));
        }
        found.extend(outside.changes());
        wrong.extend(found.into_iter().map(|line| format!("{way}: {line}")));
    }
    assert!(wrong.is_empty(), "{} ways out:\n{}", wrong.len(), wrong.join("\n"));
}

/// A text as a Nix string.
fn nix_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${"))
}

/// Attacks that need not get out where nothing stands in their way, and why.
const WITHOUT_CONTROL: [(&str, &str); 13] = [
    ("kcore", "not every kernel has it"),
    ("sysrq", "not every kernel has it"),
    ("modprobe", "not every kernel has modules"),
    ("modules", "not every kernel has modules"),
    ("module-removal", "not every kernel has modules"),
    ("kexec", "would remove what is loaded"),
    ("kexec_file", "not every kernel has it"),
    ("x32", "not every kernel has it"),
    ("disk-made", "not every machine has a block device that may be opened"),
    ("namespaces-above", "no kernel gives namespaces above one's own"),
    (
        "namespaces-beside",
        "Linux 6.18 refuses it below the first namespace of processes, 6.11 to 6.17 do not",
    ),
    ("left-mounted", "the layer shows it"),
    ("signals", "the build's end shows it"),
];

#[test]
fn every_attack_works_where_nothing_stands_in_its_way() {
    let mut works = BTreeSet::new();
    let mut said_of_all = String::new();
    for (kind, chrooted) in [("chrooted", true), ("open", true), ("open", false), ("in-store", false)] {
        let attacked = Attacked::new();
        let scripts = &attacked.scripts;
        let mut outside = Outside::new(scripts.folder());
        let file = format!("{}/file", attacked.canary);
        let path = format!("{}/bin:{}/bin", attacked.attack, scripts.busybox());
        let more = [("STORE_FILE", &*file), ("INT80", "1"), ("CONTROL", "1"), ("PATH", &path)];
        let log = scripts.folder().write("log", format!("{TOKEN}\n"));
        let mut command = Command::new("timeout");
        command.args(["--foreground", "--signal=KILL", LIMIT, "sh", "-c", r#"exec 7< "$0"; exec "$@""#]);
        command.arg(&outside.directory);
        command.args(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/escapes/control")).arg(kind);
        command.arg(scripts.folder().path()).arg(scripts.folder().join("store"));
        command.arg(format!("{}/bin/sh", scripts.busybox()));
        command.arg(script(&outside.variables(), chrooted, &more)).env("SECRET_VARIABLE", TOKEN);
        let output = fs::OpenOptions::new().append(true).open(&log).expect("a log");
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("a log")).stderr(output);
        let status = command.process_group(outside.member.id() as i32).status().expect("timeout");
        let log = fs::read_to_string(&log).expect("a log");
        assert!(status.success(), "{kind}: {status}: {log}");
        let escaped = said(&log).into_iter().filter(|(_, said)| said.starts_with("ESCAPED"));
        works.extend(escaped.map(|(name, _)| name));
        if outside.changes().iter().any(|change| change.contains("signal")) {
            works.insert("signal-group".to_string());
        }
        said_of_all += &log;
    }
    let mut all = names();
    all.extend(["ptrace-attach", "ptrace-seize"].map(str::to_string));
    all.retain(|name| !works.contains(name) && !WITHOUT_CONTROL.iter().any(|(known, _)| known == name));
    assert!(all.is_empty(), "{all:?} get nowhere:\n{said_of_all}");
}

#[test]
fn every_attack_is_in_the_table() {
    let table =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/escapes/README.md")).expect("a table");
    let rows =
        table.lines().filter_map(|line| line.strip_prefix("| ")).filter_map(|line| line.split_once(" |"));
    let listed: BTreeSet<String> =
        rows.flat_map(|(names, _)| names.split(", ").map(str::to_string).collect::<Vec<_>>()).collect();
    let mut all = names();
    all.extend(["ptrace-attach", "ptrace-seize", "typed", "controlling", "attack"].map(str::to_string));
    assert_eq!(listed, all);
}

/// Runs a shell command on a terminal of its own.
fn on_terminal(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted: Vec<String> =
        words.map(|word| format!("'{}'", word.to_str().expect("UTF-8").replace('\'', "'\\''"))).collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &quoted.join(" "), "/dev/null"]).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    run(&mut script).stdout.replace('\r', "")
}

#[test]
fn no_script_types_on_the_terminal_of_a_build() {
    let control = said(&on_terminal(Command::new(attack()).arg("terminal")));
    assert!(control["typed"].starts_with("ESCAPED"), "{control:?}");
    let attacked = Attacked::new();
    let mut wrong = Vec::new();
    for (way, _) in WAYS {
        let mut arguments = arguments(way, "echo; attack terminal");
        arguments["path"] = json!([attacked.attack, attacked.scripts.busybox()]);
        let build = attacked.scripts.build(&arguments, way);
        let printed = on_terminal(&called_by(Caller::Root, &build, Path::new("/")));
        let found = said(&printed);
        for name in ["typed", "controlling"] {
            let said = found.get(name).map_or("did not end", String::as_str);
            if !said.starts_with("blocked ") {
                wrong.push(format!("{way}: {name}: {said}: {printed:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn set_user_id_programs_of_a_script_are_out_of_everybodys_reach() {
    let attacked = Attacked::new();
    let scripts = &attacked.scripts;
    let mut wrong = Vec::new();
    for (way, _) in WAYS {
        let script = "cp $(command -v attack) left; chmod 4755 left; chmod 755 . .. || true; echo ready; exec sleep 60";
        let mut arguments = arguments(way, script);
        arguments["path"] = json!([attacked.attack, scripts.busybox()]);
        let mut build = called_by(Caller::Root, &scripts.build(&arguments, way), Path::new("/"));
        let mut build = build.stderr(Stdio::piped()).spawn().expect("timeout");
        let mut said = String::new();
        let mut log = BufReader::new(build.stderr.take().expect("a pipe"));
        while !said.ends_with("ready\n") {
            assert_ne!(log.read_line(&mut said).expect("a log"), 0, "{way}: {said}");
        }
        let left = output("find", &[scripts.temporary().to_str().expect("UTF-8"), "-name", "left"]);
        assert_eq!(left.lines().count(), 1, "{way}: {left}");
        let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "test", "-e", &left];
        let reached = run(Command::new("setpriv").args(nobody)).code;
        let modes = output("namei", &["-l", &left]);
        output("kill", &["-TERM", &build.id().to_string()]);
        build.wait().expect("an end");
        if reached != Some(1) {
            wrong.push(format!("{way}: {modes}\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
