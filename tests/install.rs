//! `make install` and `make uninstall`, completions and man pages.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Folder, Nix, Ran, dist, gantry, json, output, run};

fn make(target: &str, prefix: &Path, destdir: &str) -> Ran {
    run(Command::new("make")
        .args(["--no-print-directory", "-C", env!("CARGO_MANIFEST_DIR"), target])
        .arg(format!("DIST={}", dist().display()))
        .arg(format!("PREFIX={}", prefix.display()))
        .arg(format!("DESTDIR={destdir}"))
        .env_remove("MAKEFLAGS")
        .env("HOME", "/nonexistent"))
}

/// Everything below a directory, relative to it.
fn files(root: &Path) -> BTreeSet<String> {
    let found = run(Command::new("find").arg(root).args(["-mindepth", "1", "-printf", "%P\n"])).ok();
    found.lines().map(str::to_string).collect()
}

#[test]
fn what_is_installed_works_and_goes_without_a_trace() {
    let nix = Nix::without_plugin();
    let prefix = nix.folder().join("prefix");
    let printed = make("install", &prefix, "").ok();
    let line = format!("plugin-files = {}/lib/nix/plugins/libgantry.so", prefix.display());
    assert_eq!(printed.lines().last(), Some(line.as_str()));
    let installed = files(&prefix);
    for file in [
        "bin/gantry".to_string(),
        format!("lib/gantry/{}/libgantry.so", Nix::version()),
        "share/man/man1/gantry.1".to_string(),
        "share/man/man1/gantry-doctor.1".to_string(),
        "share/bash-completion/completions/gantry".to_string(),
        "share/zsh/site-functions/_gantry".to_string(),
        "share/fish/vendor_completions.d/gantry.fish".to_string(),
        "share/gantry/nix/docker-tools.nix".to_string(),
    ] {
        assert!(installed.contains(&file), "{file} is not in {installed:?}");
    }

    // With the line that was printed, as nix.conf has it.
    let with_plugin = |program: &str| {
        let mut command = nix.command(program);
        let config = "substituters =\nbuild-users-group =\nsandbox = true\nexperimental-features = nix-command flakes\n";
        command.env("NIX_CONFIG", format!("{config}{line}\n"));
        command
    };
    let image = r#"builtins.ociImage { name = "installed"; config.Cmd = [ "/bin/true" ]; }"#;
    let path = run(with_plugin("nix-build").args(["--no-out-link", "--expr", image])).ok();
    let shown =
        run(Command::new(prefix.join("bin/gantry")).args(["inspect", "--json"]).arg(nix.real(&path))).ok();
    assert_eq!(json(&shown)["config"]["Cmd"][0], "/bin/true");
    let report =
        run(with_plugin(prefix.join("bin/gantry").to_str().unwrap()).args(["doctor", "--json"])).ok();
    assert!(report.contains(&format!("{}/lib/gantry/{}", prefix.display(), Nix::version())), "{report}");

    // The plain functions, without the plugin, as documented.
    let documentation = include_str!("../docs/command.md");
    let example = documentation.split("```nix expression\n").nth(1).and_then(|rest| rest.split("```").next());
    let example = example.expect("an example").replace("/usr/local", &prefix.display().to_string());
    let path = run(nix.command("nix-build").args(["--no-out-link", "--expr", &example])).ok();
    let shown = run(Command::new(prefix.join("bin/gantry")).arg("inspect").arg(nix.real(&path))).ok();
    assert!(shown.starts_with("image     docker.io/library/app:"), "{shown}");

    // The drop-in, with all files that it imports.
    let pkgs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/docker-tools/pkgs.nix");
    let tools = prefix.join("share/gantry/nix/docker-tools.nix");
    let names = format!(
        "let tools = import {tools:?} {{ pkgs = import {pkgs:?} {{ programs = {pkgs:?}; }}; gantry = {prefix:?}; }};
         in builtins.attrNames tools ++ builtins.attrNames tools.examples"
    );
    let names = nix.eval(&names).ok();
    assert!(names.contains("buildLayeredImage") && names.contains("bashNoTag"), "{names}");

    // A second time, as an update does; and a plugin that another build put there.
    make("install", &prefix, "").ok();
    assert_eq!(files(&prefix), installed);
    std::fs::create_dir(prefix.join("lib/gantry/9.9.9")).expect("a directory");
    std::fs::write(prefix.join("lib/gantry/9.9.9/libgantry.so"), "").expect("a file");
    make("uninstall", &prefix, "").ok();
    assert!(!prefix.exists(), "{:?}", files(&prefix));
    assert!(make("uninstall", &prefix, "").err().contains("nothing to remove"));
}

#[test]
fn others_files_stay() {
    let folder = Folder::new();
    let before = [folder.write("usr/bin/other", ""), folder.write("usr/share/man/man1/gantry-other.1", "")];
    std::fs::create_dir(folder.join("usr/lib")).expect("a directory");
    let there = files(folder.path());
    make("install", &folder.join("usr"), "").ok();
    // Made by the installation, but no longer its own alone.
    let late = folder.write("usr/share/zsh/site-functions/_other", "");
    let removed = make("uninstall", &folder.join("usr"), "");
    assert!(removed.stderr.contains("usr/share/zsh/site-functions/ has other files"), "{}", removed.stderr);
    assert!(before.iter().all(|file| file.exists()) && late.exists());
    std::fs::remove_dir_all(folder.join("usr/share/zsh")).expect("removed");
    assert_eq!(files(folder.path()), there);
}

#[test]
fn a_package_is_made_below_destdir() {
    let folder = Folder::new();
    let destdir = folder.join("stage").display().to_string();
    let printed = make("install", Path::new("/opt/gantry"), &destdir).ok();
    assert_eq!(printed.lines().last(), Some("plugin-files = /opt/gantry/lib/nix/plugins/libgantry.so"));
    let root = folder.join("stage/opt/gantry");
    assert_eq!(
        output(root.join("bin/gantry").to_str().unwrap(), &["--version"]),
        concat!("gantry ", env!("CARGO_PKG_VERSION"))
    );
    for file in files(&root) {
        let text = std::fs::read(root.join(&file)).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&text).contains(&destdir), "{file}");
    }
    make("uninstall", Path::new("/opt/gantry"), &destdir).ok();
    assert!(!root.exists(), "{:?}", files(&root));
}

#[test]
fn a_prefix_that_nix_conf_cannot_name_is_refused() {
    let folder = Folder::new();
    for prefix in [PathBuf::from("relative"), folder.join("with space"), folder.join("a#b")] {
        let refused = make("install", &prefix, "").err();
        assert!(refused.contains("PREFIX: expected"), "{refused}");
    }
    assert_eq!(files(folder.path()), BTreeSet::new());
}

#[test]
fn completions_parse_and_complete() {
    let folder = Folder::new();
    for (shell, part) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef gantry"),
        ("fish", "complete -c gantry"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = run(Command::new(gantry()).args(["completions", shell])).ok();
        assert!(script.contains(part) && script.contains("doctor"), "{shell}: {script}");
        for hidden in ["inside", "try-namespaces"] {
            assert!(!script.contains(hidden), "{shell}: {hidden}");
        }
    }
    let script = folder.write("gantry", run(Command::new(gantry()).args(["completions", "bash"])).ok());
    run(Command::new("bash").arg("-n").arg(&script)).ok();
    let complete = r#"source "$0"; COMP_WORDS=(gantry "$@"); COMP_CWORD=$#; _gantry gantry "${!#}" gantry; echo "${COMPREPLY[@]}""#;
    let completed =
        |words: &[&str]| run(Command::new("bash").args(["-c", complete]).arg(&script).args(words)).ok();
    assert_eq!(completed(&["insp"]), "inspect");
    assert_eq!(completed(&["doctor", "--p"]), "--plugin");
    let unknown = run(Command::new(gantry()).args(["completions", "tcsh"]));
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("bash, elvish, fish, powershell, zsh"), "{}", unknown.stderr);
}

#[test]
fn there_is_a_man_page_of_every_command() {
    let folder = Folder::new();
    let pages = folder.join("deep/man1");
    run(Command::new(gantry()).arg("man").arg(&pages)).ok();
    let help = run(Command::new(gantry()).arg("--help")).ok();
    let commands =
        help.split("Commands:").nth(1).and_then(|rest| rest.split("Options:").next()).expect("commands");
    let commands = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let commands = commands.filter(|name| !name.is_empty() && *name != "help");
    let mut expected: BTreeSet<String> = commands.map(|name| format!("gantry-{name}.1")).collect();
    assert!(expected.contains("gantry-doctor.1") && expected.len() >= 10, "{expected:?}");
    expected.insert("gantry.1".to_string());
    assert_eq!(files(&pages), expected);
    for page in expected {
        let file = pages.join(&page);
        let rendered = run(Command::new("groff").args(["-man", "-ww", "-Tutf8", "-P-cbou"]).arg(&file));
        assert_eq!(rendered.stderr, "", "{page}");
        let text = rendered.ok();
        for part in ["NAME\n", "SYNOPSIS\n", concat!("gantry ", env!("CARGO_PKG_VERSION"))] {
            assert!(text.contains(part), "{part:?} is not in {page}: {text}");
        }
    }
    let not_a_directory = run(Command::new(gantry()).arg("man").arg("/dev/null/x")).err();
    assert_eq!(not_a_directory, "error: /dev/null/x: Not a directory (os error 20)\n");
}
