//! `gantry doctor`: against real Nix with the plugin; programs that are not Nix stand in for what no Nix here does.

mod support;

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Folder, Nix, Ran, dist, gantry, json, output, run};

/// A user with a home, a configuration, and programs in PATH before the machine's.
struct User(Folder);

/// containerd's client waits for a daemon that is not there.
const QUICK_CTR: &str = "echo ctr 1.6.20";

impl User {
    fn new() -> User {
        let folder = Folder::new();
        for name in ["home", "bin", "etc", "tmp"] {
            std::fs::create_dir(folder.join(name)).expect("a directory");
        }
        let user = User(folder);
        user.program("ctr", QUICK_CTR);
        user
    }

    /// One whose nix.conf names the plugin.
    fn with_plugin() -> User {
        let user = User::new();
        user.configure(&format!("plugin-files = {}\n", loader(&dist()).display()));
        user
    }

    fn configure(&self, lines: &str) {
        self.0.write("etc/nix.conf", format!("experimental-features = nix-command flakes\n{lines}"));
    }

    /// Puts a shell script into PATH.
    fn program(&self, name: &str, script: &str) -> PathBuf {
        let program = self.0.write(&format!("bin/{name}"), format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        program
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").expect("PATH");
        command
            .env_clear()
            .env("PATH", format!("{}:{path}", self.0.join("bin").display()))
            .env("HOME", self.0.join("home"))
            .env("TMPDIR", self.0.join("tmp"))
            .env("NIX_CONF_DIR", self.0.join("etc"))
            .env("NIX_REMOTE", self.0.join("store"))
            .current_dir(self.0.path());
        // The library path of a Nix that is not the system's (tests/support/newer-nix).
        command.envs(std::env::vars().filter(|(name, _)| name == "LD_LIBRARY_PATH"));
        command
    }

    fn doctor(&self) -> Command {
        let mut command = self.command(gantry());
        command.arg("doctor");
        command
    }

    /// The exit code and the document of `--json`.
    #[track_caller]
    fn report(&self, arguments: &[&str]) -> (Option<i32>, Report) {
        let ran = run(self.doctor().arg("--json").args(arguments));
        assert_eq!(ran.stderr, "");
        (ran.code, Report(json(&ran.stdout)))
    }
}

struct Report(Value);

impl Report {
    #[track_caller]
    fn check(&self, id: &str) -> &Value {
        let checks = self.0["checks"].as_array().expect("a list");
        checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("{id} is not in {}", self.0))
    }

    #[track_caller]
    fn assert(&self, id: &str, status: &str, found: &str) {
        let check = self.check(id);
        assert_eq!(check["status"], status, "{check}");
        assert!(check["found"].as_str().expect("a string").contains(found), "{found:?} is not in {check}");
    }

    #[track_caller]
    fn advice(&self, id: &str) -> &str {
        self.check(id)["advice"].as_str().expect("advice")
    }
}

fn loader(prefix: &Path) -> PathBuf {
    prefix.join("lib/nix/plugins/libgantry.so")
}

/// A prefix with the loader, and this in the place of the plugin for `version`.
fn prefix(folder: &Folder, version: &str, plugin: &[u8]) -> PathBuf {
    let to = folder.write("prefix/lib/nix/plugins/libgantry.so", "");
    std::fs::copy(loader(&dist()), to).expect("a copy");
    folder.write(&format!("prefix/lib/gantry/{version}/libgantry.so"), plugin);
    folder.join("prefix")
}

#[test]
fn where_everything_is_there_images_can_be_built() {
    let user = User::with_plugin();
    let (code, report) = user.report(&[]);
    let version = Nix::version();
    assert_eq!(report.0["summary"], format!("Images can be built with Nix {version} and its plugin"));
    assert_eq!((code, &report.0["canBuild"]), (Some(0), &Value::Bool(true)));
    report.assert("nix", "ok", &format!("Nix {version}, /"));
    report.assert("configuration", "ok", "etc/nix.conf");
    report.assert("plugin-files", "ok", "etc/nix.conf:2)");
    report.assert("plugin", "ok", &format!("lib/gantry/{version}/libgantry.so evaluated an image"));
    report.assert("builtin", "ok", "there");
    report.assert("experimental-features", "ok", "nix-command, flakes");
    report.assert("podman", "ok", "podman version");
    for check in report.0["checks"].as_array().expect("a list") {
        let keys: Vec<&String> = check.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["advice", "found", "id", "status", "title"], "{check}");
    }

    let text = run(&mut user.doctor()).ok();
    assert!(text.ends_with(&format!("\n\nImages can be built with Nix {version} and its plugin")), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
    for check in report.0["checks"].as_array().expect("a list") {
        let (status, title) = (check["status"].as_str().unwrap(), check["title"].as_str().unwrap());
        assert!(text.contains(&format!("{status:8} {title:18}")), "{title} is not in {text}");
    }
}

#[test]
fn every_check_is_documented() {
    let documentation = include_str!("../docs/command.md");
    let user = User::with_plugin();
    let (_, report) = user.report(&[]);
    for check in report.0["checks"].as_array().expect("a list") {
        let id = format!("`{}`", check["id"].as_str().expect("a string"));
        let row = documentation.lines().find(|line| line.starts_with("| `") && line.contains(&id));
        assert!(row.is_some(), "{id} is not in docs/command.md");
    }
}

#[test]
fn nothing_is_changed() {
    let user = User::with_plugin();
    let list = || output("find", &[user.0.path()]);
    let before = list();
    user.report(&[]);
    assert_eq!(list(), before);
}

#[test]
fn colours_are_for_terminals_without_no_color() {
    let user = User::with_plugin();
    let on_a_terminal = |set: &str| {
        let command = format!("{set} {} doctor", gantry().display());
        run(user.command("script").args(["-qec", &command, "/dev/null"])).ok()
    };
    assert!(on_a_terminal("TERM=xterm").contains("\x1b[32mok"), "{}", on_a_terminal("TERM=xterm"));
    for set in ["TERM=xterm NO_COLOR=1", "TERM=dumb"] {
        assert!(!on_a_terminal(set).contains('\x1b'), "{set}");
    }
}

#[test]
fn a_nix_conf_without_the_plugin_is_told_the_line() {
    let user = User::new();
    user.0.write("etc/nix.conf", "");
    let (code, report) = user.report(&[]);
    assert_eq!(code, Some(0));
    report.assert("builtin", "warning", "does not name the plugin");
    let line = format!("plugin-files = {};", loader(&dist()).display());
    assert!(report.advice("builtin").contains(&line), "{}", report.advice("builtin"));
    report.assert("experimental-features", "warning", "disabled: nix-command, flakes");

    // With the line and nothing else, there are no features either, but the builtin.
    user.0.write("etc/nix.conf", line.trim_end_matches(';'));
    let (_, report) = user.report(&[]);
    report.assert("builtin", "ok", "there");
    report.assert("experimental-features", "warning", "disabled: nix-command, flakes");
    user.0.write("etc/nix.conf", "experimental-features = nix-command\nsandbox = false\n");
    let (_, report) = user.report(&[]);
    report.assert("experimental-features", "warning", "disabled: flakes");
    report.assert("sandbox", "warning", "sandbox = false");
}

#[test]
fn a_plugin_path_that_is_gone_is_named_with_its_line_and_the_way_out() {
    let user = User::new();
    user.configure("!include absent.conf\ninclude more.conf\n");
    let gone = "/nix/store/00000000000000000000000000000000-gantry/lib/nix/plugins/libgantry.so";
    user.0.write("etc/more.conf", format!("# comment\nplugin-files = {gone}\n"));
    let nix = |more: &[&str]| {
        let arguments = [more, &["eval", "--expr", "1 + 1"]].concat();
        run(user.command("nix").args(arguments))
    };
    assert_ne!(nix(&[]).code, Some(0));
    let (code, report) = user.report(&[]);
    assert_eq!((code, &report.0["canBuild"]), (Some(1), &Value::Bool(false)));
    report.assert(
        "plugin-files",
        "problem",
        &format!("{gone} ({}:2)", user.0.join("etc/more.conf").display()),
    );
    let advice = report.advice("plugin-files");
    for part in [
        "garbage-collected",
        "nix-store --add-root",
        "nix --option plugin-files '' …",
        "NIX_CONFIG='plugin-files ='",
    ] {
        assert!(advice.contains(part), "{part} is not in {advice}");
    }
    assert_eq!(nix(&["--option", "plugin-files", ""]).ok(), "2");
    assert!(report.0["summary"].as_str().unwrap().starts_with("Images cannot be built: plugin-files: "));
    // The rest is found all the same.
    report.assert("nix", "ok", "");
    report.assert("plugin", "ok", "evaluated an image");
    report.assert("experimental-features", "ok", "");

    let text = run(&mut user.doctor());
    assert_eq!(text.code, Some(1));
    assert!(text.stdout.lines().last().unwrap().contains("does not exist, so every Nix command fails"));
}

#[test]
fn a_nix_conf_that_nix_refuses_is_a_problem() {
    let user = User::new();
    user.0.write("etc/nix.conf", "access-tokens github.com=hunter2\n");
    let (code, report) = user.report(&[]);
    assert_eq!(code, Some(1));
    report.assert("configuration", "problem", "etc/nix.conf:1: expected NAME = VALUE");
    assert!(!report.0.to_string().contains("hunter2"), "{}", report.0);
}

#[test]
fn plugins_that_do_not_work_are_told_apart() {
    let version = Nix::version();
    let crash = Folder::new();
    let source = crash.write(
        "crash.c",
        "#include <stdlib.h>\n__attribute__((constructor)) static void f(void) { abort(); }\n",
    );
    let library = crash.join("crash.so");
    run(Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source])).ok();
    let crash = std::fs::read(library).expect("a library");
    for (at, plugin, found) in [
        ("9.9.9", &b"x"[..], format!("no plugin for Nix {version} here (there is one for: 9.9.9)")),
        (&version, b"x", format!("the plugin for Nix {version} does not load")),
        (&version, &crash, "ended by signal 6".to_string()),
    ] {
        let user = User::new();
        user.configure("");
        let loader = loader(&prefix(&user.0, at, plugin));
        let (code, report) = user.report(&["--plugin", loader.to_str().unwrap()]);
        assert_eq!(code, Some(1));
        report.assert("plugin", "problem", &found);
        let advice = report.advice("plugin");
        assert!(
            advice.contains(&version) && advice.contains("another build of the same version"),
            "{advice}"
        );
    }

    // Not even a library, and nix.conf names it.
    let user = User::new();
    let broken = user.0.write("broken.so", "no library");
    user.configure(&format!("plugin-files = {}\n", broken.display()));
    let (code, report) = user.report(&[]);
    assert_eq!(code, Some(1));
    report.assert("plugin-files", "problem", "broken.so");
    assert!(report.advice("plugin-files").contains("--option plugin-files ''"), "{}", report.0);
}

#[test]
fn where_a_nix_takes_no_plugins_the_plain_functions_are_tried() {
    let user = User::new();
    user.configure("");
    let real = output("sh", &["-c", "command -v nix"]);
    let loader = loader(&prefix(&user.0, "9.9.9", b""));
    for (line, name) in [
        ("nix (Lix, like Nix) 2.91.1", "Lix 2.91.1"),
        ("nix (Determinate Nix 3.6.2) 2.29.0", "Determinate Nix 3.6.2 (Nix 2.29.0)"),
    ] {
        let script = format!("[ \"$*\" != --version ] || {{ echo '{line}'; exit; }}\nexec {real} \"$@\"");
        user.program("nix", &script);
        let (code, report) = user.report(&["--plugin", loader.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{}", report.0);
        report.assert("nix", "ok", name);
        report.assert("plugin", "warning", "no plugin for Nix");
        report.assert("functions", "ok", "share/gantry/nix evaluated an image");
        let summary = report.0["summary"].as_str().unwrap();
        assert!(summary.contains(name) && summary.contains("plain functions"), "{summary}");
    }

    // A static Nix loads the file, which finds nothing of Nix; musl's does not even load it.
    let quiet = "case \"$*\" in *ociImage*drvPath*plugins*) ;; esac";
    for (answer, found) in [
        ("printf 'no builtin'", "hides the symbols that plugins need"),
        (
            "echo 'error: could not dynamically open plugin file: Dynamic loading not supported' >&2; exit 1",
            "static",
        ),
    ] {
        let script = format!(
            "{quiet}\ncase \"$*\" in *'--option plugin-files'*) {answer};; *) exec {real} \"$@\";; esac"
        );
        user.program("nix", &script);
        let (code, report) = user.report(&["--plugin", loader.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{}", report.0);
        report.assert("plugin", "warning", found);
        report.assert("functions", "ok", "evaluated an image");
    }
}

#[test]
fn an_engine_without_its_daemon_is_a_warning() {
    let user = User::with_plugin();
    std::fs::remove_file(user.0.join("bin/ctr")).expect("removed");
    user.program("docker", "[ $1 = --version ] || { echo Cannot connect to tcp://me:hunter2@host.test >&2; exit 1; }; echo Docker 1");
    user.program(
        "nerdctl",
        "[ $1 = --version ] || [ \"$*\" = 'info --format {{.ServerVersion}}' ] && echo nerdctl 1",
    );
    let mut command = user.doctor();
    let ran = run(command.arg("--json").env("CONTAINERD_ADDRESS", user.0.join("none.sock")));
    assert_eq!(ran.code, Some(0));
    let report = Report(json(&ran.stdout));
    report.assert(
        "docker",
        "warning",
        "Docker 1; its daemon does not answer: Cannot connect to tcp://host.test",
    );
    report.assert("ctr", "warning", "its daemon does not answer: ctr: ");
    report.assert("nerdctl", "ok", "nerdctl 1; its daemon answers");
    report.assert("skopeo", "ok", "skopeo version");
}

#[test]
fn a_program_that_hangs_is_given_up() {
    let user = User::new();
    user.program("nix", "sleep 1000 & echo $! > sleeping; wait");
    user.program("docker", "[ \"$1\" != version ] || exec sleep 1000\necho Docker version 1");
    let (code, report) = user.report(&["--timeout", "1"]);
    assert_eq!(code, Some(1));
    report.assert("nix", "problem", "no answer within 1 s");
    report.assert("docker", "warning", "Docker version 1; its daemon does not answer: no answer within 1 s");
    let child = std::fs::read_to_string(user.0.join("sleeping")).expect("a number");
    let state = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "{state}");
}

#[test]
fn an_interruption_ends_it_and_what_it_started() {
    let user = User::new();
    user.program("nix", "echo $$ > sleeping; exec sleep 1000");
    let mut process = user.doctor().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a process");
    let started = user.0.join("sleeping");
    let deadline = Instant::now() + Duration::from_secs(60);
    let child = loop {
        let child = std::fs::read_to_string(&started).unwrap_or_default();
        if child.ends_with('\n') {
            break child;
        }
        assert!(Instant::now() < deadline, "nix was not started");
        std::thread::sleep(Duration::from_millis(10));
    };
    output("kill", &["-INT", &process.id().to_string()]);
    assert_eq!(process.wait().expect("an end").code(), Some(130));
    let mut said = String::new();
    process.stderr.take().unwrap().read_to_string(&mut said).expect("text");
    assert_eq!(said, "error: interrupted\n");
    assert!(!Path::new("/proc").join(child.trim()).exists());
}

#[test]
fn a_machine_without_nix_cannot_build() {
    let user = User::new();
    let empty = user.0.join("empty");
    let ran: Ran = run(user.doctor().arg("--json").env("PATH", &empty));
    assert_eq!(ran.code, Some(1));
    let report = Report(json(&ran.stdout));
    report.assert("nix", "problem", "no program `nix` in PATH");
    report.assert("podman", "skipped", "not in PATH");
    user.program("nix", "echo nix '(Nix)' 2.3.16");
    let (code, report) = user.report(&[]);
    assert_eq!(code, Some(1));
    report.assert("nix", "problem", "too old");
    user.program("nix", "echo hello");
    user.report(&[]).1.assert("nix", "problem", "printed no version");
}

#[test]
fn options_that_are_not_programs_are_refused() {
    let user = User::new();
    let plain = user.0.write("plain", "");
    for (option, path, says) in [
        ("--nix", plain.display().to_string(), "not executable"),
        ("--nix", user.0.path().display().to_string(), "expected a file"),
        ("--nix", "missing".to_string(), "No such file"),
        ("--plugin", "missing".to_string(), "No such file"),
        ("--timeout", "0".to_string(), "1..=3600"),
    ] {
        let ran = run(user.doctor().args([option, &path]));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
        assert!(ran.stderr.contains(option) && ran.stderr.contains(says), "{}", ran.stderr);
    }
}

#[test]
fn no_secret_is_printed() {
    let user = User::with_plugin();
    // hunter2, and user:hunter2 in base64
    let auth = r#"{ "auths": { "registry.test/team": { "auth": "dXNlcm5hbWU6aHVudGVyMg==" },
        "https://username:hunter2@url.test/v2/": { "identitytoken": "hunter2" },
        "broken.test": { "auth": "hunter2:" } }, "credHelpers": { "helper.test": "absent" } }"#;
    user.0.write("home/.docker/config.json", auth);
    user.0.write("home/.config/containers/auth.json", "hunter2");
    for (json, mistake) in [(true, ""), (false, ""), (true, "hunter2\n"), (true, "sandbox = hunter2\n")] {
        user.0.write("home/.config/nix/nix.conf", format!("access-tokens = github.com=hunter2\n{mistake}"));
        let mut command = user.doctor();
        command.args(json.then_some("--json"));
        command.env("NIX_REMOTE", "ssh-ng://username:hunter2@store.test/?ssh-key=hunter2");
        let ran = run(&mut command);
        let all = format!("{}{}", ran.stdout, ran.stderr);
        for secret in ["hunter2", "username", "aHVudGVyMg"] {
            assert!(!all.contains(secret), "{secret} is in {all}");
        }
        let names = [
            "registry.test/team",
            "url.test/v2/",
            "broken.test",
            "helper.test (asks docker-credential-absent, which is not in PATH)",
        ];
        for name in names {
            assert!(ran.stdout.contains(name), "{name} is not in {}", ran.stdout);
        }
    }
}

#[test]
fn a_daemon_is_asked_whether_it_is_there() {
    let user = User::with_plugin();
    let socket = user.0.join("socket");
    let ask = || {
        let mut command = user.doctor();
        command.arg("--json").env("NIX_REMOTE", "daemon").env("NIX_DAEMON_SOCKET_PATH", &socket);
        let ran = run(&mut command);
        (ran.code, Report(json(&ran.stdout)))
    };
    let (code, report) = ask();
    assert_eq!(code, Some(1));
    report.assert("store", "problem", "the daemon does not answer at");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let (code, report) = ask();
    assert_eq!(code, Some(0), "{}", report.0);
    report.assert("store", "ok", "this user is trusted");
}

#[test]
fn user_namespaces_that_the_kernel_refuses_are_a_warning_with_the_setting() {
    let user = User::with_plugin();
    let (_, report) = user.report(&[]);
    report.assert("user-namespaces", "ok", "can be made");
    // The limit holds in the namespace that sets it.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$0\" doctor --json";
    let mut command = user.command("unshare");
    let ran = run(command.args(["--user", "--map-root-user", "sh", "-euc", script]).arg(gantry()));
    let report = Report(json(&ran.stdout));
    report.assert("user-namespaces", "warning", "unshare(CLONE_NEWUSER): No space left on device");
    let advice = report.advice("user-namespaces");
    assert!(advice.contains("sysctl -w user.max_user_namespaces"), "{advice}");
}

#[test]
fn certificates_come_from_where_the_variable_says() {
    let user = User::with_plugin();
    let ask = |file: &Path| {
        let ran = run(user.doctor().arg("--json").env("NIX_SSL_CERT_FILE", file));
        Report(json(&ran.stdout))
    };
    let missing = user.0.join("missing.crt");
    ask(&missing).assert("certificates", "warning", "missing.crt, which does not exist");
    let broken = user.0.write("broken.crt", "no certificate");
    ask(&broken).assert("certificates", "warning", "there is no PEM certificate in it");
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let two = user.0.write("two.crt", pem.repeat(2));
    ask(&two).assert("certificates", "ok", &format!("2 of {}", two.display()));
}
