//! `builtins.ociImage` in the real evaluator: what it accepts, refuses, forces and leaves alone.
//!
//! Most of it is in tests/cases (see its README); here are the runs of those, and what needs a command
//! line of its own. Expectations hold for Nix 2.8 to 2.35, whose errors have the same lines in another order.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Folder, Nix, Ran, dist, output, quoted, run};

/// An image that has everything a derivation refers to: a package, a path, a string.
const IMAGE: &str = r#"
  let
    package = derivation { name = "never-built"; system = "x86_64-linux"; builder = "/does/not/exist"; };
  in
  builtins.ociImage {
    name = "app";
    contents = [ package ];
    copyToRoot = builtins.toFile "file" "text";
    config.Cmd = [ "${package}/bin/app" ];
  }"#;

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn cases(kind: &str) -> Vec<PathBuf> {
    let directory = manifest().join("tests/cases").join(kind);
    let mut cases: Vec<PathBuf> =
        fs::read_dir(directory).expect("cases").map(|entry| entry.expect("an entry").path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "nix"));
    cases.sort();
    assert!(cases.len() > 10, "only {} cases", cases.len());
    cases
}

/// Runs `check` on all cases and reports every failure by its case's name.
fn all(cases: &[PathBuf], check: impl Fn(&Path, &str) -> Result<(), String>) {
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let text = fs::read_to_string(case).expect("a case");
            let name = case.file_name().expect("a file").to_string_lossy();
            check(case, &text).err().map(|why| format!("--- {name}\n{why}"))
        })
        .collect();
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn is_true(ran: Ran) -> Result<(), String> {
    match (ran.code, ran.stdout.trim()) {
        (Some(0), "true") => Ok(()),
        _ => Err(format!("{:?} {}{}", ran.code, ran.stdout, ran.stderr)),
    }
}

/// The last of Nix's errors, which is the innermost in every version: its message and its position.
///
///     error: MESSAGE                 (2.8)         error:           (2.26)
///                                                         … while calling the 'ociImage' builtin
///            at FILE:3:5:                                   at FILE:1:1:
///                                                         error: MESSAGE
///            … while ... (--show-trace)                   at FILE:3:5:
fn innermost(stderr: &str) -> (&str, Option<&str>) {
    let start = stderr.rfind("error: ").unwrap_or(0);
    let message = &stderr[start..];
    let own = message.split('…').next().unwrap_or(message);
    // "…" also ends texts that were shortened: only a line that begins with it is one of the trace.
    let own = if own.ends_with(char::is_whitespace) { own } else { message };
    let position = own.lines().map(str::trim).find_map(|line| line.strip_prefix("at ")?.strip_suffix(':'));
    (message, position)
}

/// How many times slower evaluation may be than usual: tests/sanitize says so.
fn slowness() -> u32 {
    std::env::var("GANTRY_TEST_SLOWNESS").map_or(1, |text| text.parse().expect("a number"))
}

/// Outputs of all derivations in the store that exist.
fn outputs(nix: &Nix) -> Vec<String> {
    let names = fs::read_dir(nix.real("/nix/store")).map_or_else(
        |_| Vec::new(),
        |entries| {
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
        },
    );
    let derivations: Vec<String> =
        names.iter().filter(|name| name.ends_with(".drv")).map(|name| format!("/nix/store/{name}")).collect();
    if derivations.is_empty() {
        return Vec::new();
    }
    let outputs = run(nix.command("nix-store").args(["--query", "--outputs"]).args(&derivations)).ok();
    outputs.lines().filter(|path| nix.real(path).symlink_metadata().is_ok()).map(str::to_string).collect()
}

#[track_caller]
fn nothing_is_built(nix: &Nix) {
    assert_eq!(outputs(nix), Vec::<String>::new());
}

/// Nix whose settings are those of the tests and `more`.
fn with_settings(nix: &Nix, program: &str, more: &str) -> Command {
    let mut command = nix.command(program);
    let settings = command
        .get_envs()
        .find(|(name, _)| *name == "NIX_CONFIG")
        .and_then(|(_, value)| value?.to_str().map(str::to_string))
        .expect("NIX_CONFIG");
    command.env("NIX_CONFIG", format!("{settings}\n{more}\n"));
    command
}

fn drv_path(nix: &Nix) -> String {
    run(nix.command("nix-instantiate").args(["--eval", "--expr", &format!("({IMAGE}).drvPath")])).ok()
}

mod cases_in_files {
    use super::*;

    #[test]
    fn ok() {
        let nix = Nix::new();
        all(&cases("ok"), |case, _| {
            let mut command = nix.command("nix-instantiate");
            is_true(run(command.args(["--eval", "--strict", "--read-write-mode"]).arg(case)))
        });
        nothing_is_built(&nix);
    }

    #[test]
    fn ok_without_the_plugin() {
        let nix = Nix::without_plugin();
        let function = format!(
            "(import {} {{ gantry = {}; }}).ociImage",
            quoted(&manifest().join("nix/default.nix")),
            package(&quoted(&dist()))
        );
        let mut cases = cases("ok");
        cases.retain(|case| !fs::read_to_string(case).expect("a case").starts_with("# without plugin: no, "));
        all(&cases, |case, _| {
            let expression = format!(
                "builtins.scopedImport {{ builtins = builtins // {{ ociImage = {function}; }}; }} {}",
                quoted(case)
            );
            let mut command = nix.command("nix-instantiate");
            is_true(run(command.args(["--eval", "--strict", "--read-write-mode", "--expr", &expression])))
        });
        nothing_is_built(&nix);
    }

    #[test]
    fn fail() {
        let nix = Nix::new();
        all(&cases("fail"), |case, text| {
            let mut head = text.lines();
            let mut header = |key: &str| {
                let line = head.next().and_then(|line| line.strip_prefix(key)).map(str::to_string);
                line.ok_or_else(|| format!("the case has no line {key:?}"))
            };
            let (wanted, at) = (header("# error: ")?, header("# at: ")?);
            let start = Instant::now();
            let ran = run(nix.command("nix-instantiate").args(["--eval", "-A", "drvPath"]).arg(case));
            let taken = start.elapsed();
            let (message, position) = innermost(&ran.stderr);
            let place = format!("{}:{at}", case.display());
            let mut wrong = Vec::new();
            if ran.code != Some(1) || ran.stderr.contains("panicked") {
                wrong.push(format!("ended with {:?} {}", ran.code, ran.stdout));
            }
            if !message.contains(&wanted) {
                wrong.push(format!("wanted: {wanted}"));
            }
            if at != "none" && position != Some(&place) {
                wrong.push(format!("wanted at {place}, found {position:?}"));
            }
            if taken > Duration::from_secs(20) * slowness() {
                wrong.push(format!("took {taken:?}"));
            }
            match wrong.is_empty() {
                true => Ok(()),
                false => Err(format!("{}\n{}", wrong.join("\n"), ran.stderr)),
            }
        });
        // Arguments are checked before even the builder is put into the store.
        assert_eq!(
            fs::read_dir(nix.real("/nix/store")).map_or(0, |entries| entries
                .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name() != ".links"))
                .count()),
            0
        );
    }
}

mod modes_of_evaluation {
    use super::*;

    #[test]
    fn pure() {
        let nix = Nix::new();
        let eval = |what: &str| run(nix.command("nix").args(["eval", "--raw", "--expr", what])).ok();
        assert_eq!(eval("if builtins ? currentSystem then \"impure\" else \"pure\""), "pure");
        assert_eq!(format!("{:?}", eval(&format!("({IMAGE}).drvPath"))), drv_path(&nix));
        nothing_is_built(&nix);
    }

    #[test]
    fn instantiated_derivations_are_in_the_store_with_their_builder() {
        let nix = Nix::new();
        let drv = run(nix.command("nix-instantiate").args(["--expr", IMAGE])).ok();
        assert_eq!(format!("{drv:?}"), drv_path(&nix));
        let references = run(nix.command("nix-store").args(["--query", "--requisites", &drv])).ok();
        for name in ["app-root.drv", "never-built.drv", "file", "gantry"] {
            let path = references.lines().find(|path| path.ends_with(&format!("-{name}"))).expect(name);
            assert!(nix.real(path).exists(), "{path}");
        }
        nix.verify();
        nothing_is_built(&nix);
    }

    #[test]
    fn read_only_mode_writes_nothing_and_finds_the_same() {
        let nix = Nix::new();
        let path = drv_path(&nix);
        let entries = fs::read_dir(nix.real("/nix/store")).map_or(0, |entries| {
            entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name() != ".links")).count()
        });
        assert_eq!(entries, 0);
        assert_eq!(path, format!("{:?}", run(nix.command("nix-instantiate").args(["--expr", IMAGE])).ok()));
    }

    #[test]
    fn dummy_store() {
        // Holds nothing, no derivation either (addTextToStore "is not supported"): names are what can be had.
        let nix = Nix::new();
        let reference = r#"(builtins.ociImage { name = "app"; tag = "1"; }).imageRef"#;
        let mut command = nix.command("nix");
        let reference = run(command.args(["eval", "--store", "dummy://", "--raw", "--expr", reference]));
        assert_eq!(reference.ok(), "app:1");
        // Without writing (read-only mode) derivations have paths there, too.
        let path = format!("({IMAGE}).drvPath");
        let mut command = nix.command("nix-instantiate");
        let on_dummy = run(command.args(["--eval", "--store", "dummy://", "--expr", &path])).ok();
        assert_eq!(on_dummy, drv_path(&nix));
    }

    #[test]
    fn store_elsewhere() {
        let nix = Nix::new();
        let elsewhere = nix.folder().join("elsewhere");
        let path = format!("({IMAGE}).drvPath");
        let mut command = nix.command("nix");
        let drv = run(command.args(["eval", "--raw", "--expr", &path, "--store"]).arg(&elsewhere)).ok();
        assert_eq!(format!("{drv:?}"), drv_path(&nix));
        assert!(elsewhere.join(drv.trim_start_matches('/')).exists(), "{drv}");
        assert!(!nix.real(&drv).exists(), "{drv}");
    }

    #[test]
    fn without_import_from_derivation() {
        let nix = Nix::new();
        let option = ["--option", "allow-import-from-derivation", "false"];
        let attributes =
            "map (i: i.drvPath) [ image image.root image.layout (image.override { tag = \"1\"; }) ]";
        let expression = format!("let image = {IMAGE}; in {attributes}");
        let mut command = nix.command("nix");
        run(command.args(option).args(["eval", "--json", "--expr", &expression])).ok();
        nothing_is_built(&nix);
    }

    #[test]
    fn restricted() {
        let nix = Nix::new();
        nix.folder().write("allowed/files/motd", "hello");
        nix.folder().write("forbidden/files/motd", "hello");
        let allowed = nix
            .folder()
            .write("allowed/image.nix", "name: builtins.ociImage { inherit name; contents = [ ./files ]; }");
        let forbidden = nix.folder().write(
            "allowed/forbidden.nix",
            "builtins.ociImage { name = \"app\"; contents = ../forbidden/files; }",
        );
        let restricted = |expression: String| {
            let mut command = nix.command("nix-instantiate");
            command
                .args(["--option", "restrict-eval", "true", "-I"])
                .arg(allowed.parent().expect("a folder"));
            run(command.args(["--expr", &expression]))
        };
        let drv = restricted(format!("import {} \"app\"", allowed.display())).ok();
        assert!(drv.ends_with("-app.tar.drv"), "{drv}");
        let error = restricted(format!("import {}", forbidden.display())).err();
        assert!(error.contains("restricted mode"), "{error}");
    }

    #[test]
    fn nothing_is_downloaded() {
        let nix = Nix::new();
        // Nobody listens there: a question to it would take its time and leave a warning.
        let unreachable = "substituters = http://127.0.0.1:9\nconnect-timeout = 30\ndownload-attempts = 5";
        let start = Instant::now();
        let ran = run(with_settings(&nix, "nix-instantiate", unreachable).args(["--expr", IMAGE]));
        assert!(!ran.stderr.contains("127.0.0.1"), "{}", ran.stderr);
        ran.ok();
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        nothing_is_built(&nix);
    }

    #[test]
    fn surroundings_make_no_difference() {
        let nix = Nix::new();
        let usual = drv_path(&nix);
        let path = format!("({IMAGE}).drvPath");
        for (key, value) in
            [("TZ", "Asia/Tokyo"), ("LC_ALL", "tr_TR.UTF-8"), ("SOURCE_DATE_EPOCH", "5"), ("USER", "x")]
        {
            let mut command = nix.command("nix-instantiate");
            command.env(key, value).current_dir("/").args(["--eval", "--expr", &path]);
            assert_eq!(run(&mut command).ok(), usual, "{key}={value}");
        }
    }

    #[test]
    fn dry_runs_say_what_would_be_built() {
        let nix = Nix::new();
        let ran = run(nix.command("nix-build").args(["--dry-run", "--no-out-link", "--expr", IMAGE]));
        for name in ["-app.tar.drv", "-app-root.drv", "-never-built.drv"] {
            assert!(ran.stderr.contains(name), "{name}: {}", ran.stderr);
        }
        assert_eq!(ran.code, Some(0));
        nothing_is_built(&nix);
    }
}

mod errors {
    use super::*;

    #[test]
    fn traces_name_the_attribute_that_threw() {
        let nix = Nix::new();
        let expression =
            r#"(builtins.ociImage { name = "app"; config.Cmd = [ "x" (throw "mine") ]; }).drvPath"#;
        let mut command = nix.command("nix-instantiate");
        let error = run(command.args(["--eval", "--show-trace", "--expr", expression])).err();
        assert!(error.contains("error: mine"), "{error}");
        let trace = "while evaluating the attribute 'config.Cmd[1]' of builtins.ociImage's argument";
        assert!(error.contains(trace), "{error}");
    }

    #[test]
    fn are_one_message_without_the_plugins_insides() {
        let nix = Nix::new();
        let case = manifest().join("tests/cases/fail/env-without-value.nix");
        let error = run(nix.command("nix-instantiate").args(["--eval", "-A", "drvPath"]).arg(case)).err();
        assert_eq!(error.matches("builtins.ociImage: ").count(), 1, "{error}");
        for inside in ["rust", "src/", "cpp/", "panic", "terminate"] {
            assert!(!error.contains(inside), "{error}");
        }
    }

    #[test]
    fn are_the_same_the_second_time() {
        // Flakes' evaluation cache must not turn an error into another one, or into a success.
        let nix = Nix::new();
        nix.folder().write(
            "flake/flake.nix",
            r#"{ outputs = _: { image = builtins.ociImage { name = "app"; tag = "a b"; }; }; }"#,
        );
        let flake = format!("path:{}#image", nix.folder().join("flake").display());
        for _ in 0..2 {
            let error = run(nix.command("nix").args(["eval", &flake])).err();
            assert!(error.contains("builtins.ociImage: tag: found \"a b\""), "{error}");
        }
    }

    #[test]
    fn interrupts_end_an_endless_argument() {
        let nix = Nix::new();
        // Each element takes a moment, all of them a day.
        let endless = r#"builtins.ociImage {
            name = "app";
            config.Cmd = builtins.genList
              (n: toString (builtins.foldl' (a: b: a + b) n (builtins.genList (x: x) 100000))) 1000000;
          }"#;
        let mut command = nix.command("nix-instantiate");
        command.args(["--eval", "--expr", endless]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("nix-instantiate");
        std::thread::sleep(Duration::from_millis(800));
        let running = process.try_wait().expect("a process").is_none();
        output("kill", &["-INT", &process.id().to_string()]);
        let start = Instant::now();
        let mut ended = None;
        while ended.is_none() && start.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(20));
            ended = process.try_wait().expect("a process");
        }
        let _ = process.kill();
        let output = process.wait_with_output().expect("a process");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(running, "{error}");
        assert!(ended.is_some(), "still running after {:?}", start.elapsed());
        assert!(error.contains("interrupted by the user"), "{error}");
    }
}

mod documentation {
    use super::*;

    /// Answers of `nix repl` to `input`.
    fn repl(nix: &Nix, input: &str) -> String {
        let file = nix.folder().write("input", input);
        let mut command = nix.command("nix");
        command.arg("repl").stdin(fs::File::open(file).expect("the input"));
        let ran = run(&mut command);
        ran.stdout + &ran.stderr
    }

    #[test]
    fn names_every_argument() {
        let nix = Nix::new();
        // design.md, 1.1, as far as the present version goes.
        let arguments = [
            "name",
            "tag",
            "contents",
            "copyToRoot",
            "keepContentsDirlinks",
            "layers",
            "fromImage",
            "inheritConfig",
            "config",
            "architecture",
            "os",
            "variant",
            "created",
            "mtime",
            "uid",
            "gid",
            "uname",
            "gname",
            "directories",
            "users",
            "perms",
            "extraCommands",
            "fakeRootCommands",
            "enableFakechroot",
            "runAsRoot",
            "shell",
            "path",
            "includeStorePaths",
            "includeCopiedPaths",
            "includeNixDB",
            "maxLayers",
            "minLayerSize",
            "layering",
            "format",
            "compression",
            "compressionLevel",
            "compressor",
            "annotations",
            "manifests",
            "system",
            "meta",
            "passthru",
        ];
        let doc = repl(&nix, ":doc builtins.ociImage\n");
        let items: Vec<&str> = doc
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with(['·', '•', '-', '*']))
            .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()))
            .collect();
        for argument in arguments {
            assert!(items.contains(&argument), "{argument} is not in {doc}");
        }
        // What the evaluator itself accepts is all documented.
        let error = nix.eval(r#"(builtins.ociImage { name = "app"; qqqqqqqqqq = 1; }).drvPath"#).err();
        let accepted = error.split("accepted: ").nth(1).expect("the accepted arguments");
        let accepted = accepted.lines().next().expect("a line");
        let accepted: Vec<&str> = accepted.split(',').map(str::trim).collect();
        assert_eq!(accepted, arguments, "{error}");
    }

    #[test]
    fn formats_that_are_refused_are_not_documented() {
        let nix = Nix::new();
        let doc = repl(&nix, ":doc builtins.ociImage\n");
        for format in ["recipe", "stream"] {
            let expression =
                format!("(builtins.ociImage {{ name = \"app\"; format = {format:?}; }}).drvPath");
            let accepted = nix.eval(&expression).code == Some(0);
            assert_eq!(accepted, doc.contains(&format!("{format:?}")), "{format}: {doc}");
        }
    }

    #[test]
    fn the_builtin_is_a_builtin_and_hides_no_name() {
        let nix = Nix::new();
        let eval = |what: &str| nix.eval(what).ok();
        assert_eq!(eval("builtins.typeOf builtins.ociImage"), "\"lambda\"");
        assert_eq!(eval("let ociImage = 1; in with { x = 2; }; ociImage + x"), "3");
        assert_eq!(eval("with { ociImage = 1; }; ociImage"), "1");
    }
}

mod the_plugins_file {
    use super::*;

    /// Where the plugin for this Nix is.
    fn plugin() -> PathBuf {
        let plugin = dist().join("lib/gantry").join(Nix::version()).join("libgantry.so");
        assert!(plugin.exists(), "{} is missing: run `make build`", plugin.display());
        plugin
    }

    fn eval(nix: &Nix, plugin: &Path, expression: &str) -> Ran {
        let settings = format!("plugin-files = {}", plugin.display());
        run(with_settings(nix, "nix-instantiate", &settings).args(["--eval", "--expr", expression]))
    }

    /// A copy of the loader, as it is installed, with nothing beside it.
    fn lonely_loader(folder: &Folder) -> PathBuf {
        let loader = fs::read(dist().join("lib/nix/plugins/libgantry.so")).expect("the loader");
        folder.write("prefix/lib/nix/plugins/libgantry.so", loader)
    }

    #[test]
    fn needs_no_library_of_nix() {
        for file in [plugin(), dist().join("lib/nix/plugins/libgantry.so")] {
            let dynamic = output("readelf", &["--dynamic", "--wide", file.to_str().expect("UTF-8")]);
            let needed: Vec<&str> = dynamic.lines().filter(|line| line.contains("(NEEDED)")).collect();
            assert!(!needed.is_empty(), "{dynamic}");
            for library in needed {
                assert!(!library.contains("libnix"), "{}: {library}", file.display());
            }
            assert!(!dynamic.contains("RUNPATH") && !dynamic.contains("RPATH"), "{dynamic}");
        }
    }

    #[test]
    fn loads_without_the_loader() {
        let nix = Nix::without_plugin();
        let ran = eval(&nix, &plugin(), &format!("({IMAGE}).drvPath"));
        assert_eq!(ran.stderr, "");
        assert_eq!(ran.ok(), drv_path(&Nix::new()));
    }

    #[test]
    fn loads_from_its_directory_and_through_a_link() {
        let nix = Nix::without_plugin();
        let link = nix.folder().join("link.so");
        std::os::unix::fs::symlink(dist().join("lib/nix/plugins/libgantry.so"), &link).expect("a link");
        for plugins in [dist().join("lib/nix/plugins"), link] {
            let ran = eval(&nix, &plugins, "builtins ? ociImage");
            assert_eq!((ran.stdout.trim(), ran.stderr.as_str()), ("true", ""), "{}", plugins.display());
        }
    }

    #[test]
    fn nix_works_on_with_one_line_of_notice_where_no_plugin_is_for_it() {
        let nix = Nix::without_plugin();
        let loader = lonely_loader(nix.folder());
        let notice = |expected: &str| {
            let ran = eval(&nix, &loader, "1 + 1");
            assert_eq!((ran.code, ran.stdout.trim()), (Some(0), "2"), "{}", ran.stderr);
            assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
            assert!(ran.stderr.starts_with("gantry: no plugin for Nix "), "{}", ran.stderr);
            assert!(ran.stderr.contains(&Nix::version()), "{}", ran.stderr);
            assert!(ran.stderr.contains(expected), "{}", ran.stderr);
            assert!(
                ran.stderr.trim_end().ends_with("builtins.ociImage and builtins.pullImage are not available"),
                "{}",
                ran.stderr
            );
        };
        notice("nor for any other");
        nix.folder().write("prefix/lib/gantry/1.2.3/libgantry.so", "");
        notice("1.2.3");
        let missing = eval(&nix, &loader, "builtins ? ociImage");
        assert_eq!(missing.stdout.trim(), "false");
    }

    #[test]
    fn nix_works_on_where_the_plugin_is_damaged() {
        let nix = Nix::without_plugin();
        let loader = lonely_loader(nix.folder());
        nix.folder().write(&format!("prefix/lib/gantry/{}/libgantry.so", Nix::version()), "not a library");
        let ran = eval(&nix, &loader, "1 + 1");
        assert_eq!((ran.code, ran.stdout.trim()), (Some(0), "2"), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("does not load"), "{}", ran.stderr);
    }

    #[test]
    fn without_its_executable_it_says_where_it_looked() {
        let nix = Nix::without_plugin();
        let loader = lonely_loader(nix.folder());
        let copy = format!("prefix/lib/gantry/{}/libgantry.so", Nix::version());
        nix.folder().write(&copy, fs::read(plugin()).expect("the plugin"));
        let error = eval(&nix, &loader, &format!("({IMAGE}).drvPath")).err();
        assert!(error.contains("the executable `gantry` is missing"), "{error}");
        assert!(error.contains(&format!("{}/prefix/bin/gantry", nix.folder().path().display())), "{error}");
        // A mistake in the arguments is found all the same.
        let error = eval(&nix, &loader, r#"(builtins.ociImage { name = "a b"; }).drvPath"#).err();
        assert!(error.contains("name: found \"a b\""), "{error}");
    }
}

/// A package as `nix/default.nix` takes it, at a path that is a Nix expression.
fn package(path: &str) -> String {
    let system = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    format!("{{ outPath = {path}; system = {system:?}; version = {:?}; }}", env!("CARGO_PKG_VERSION"))
}

mod without_the_plugin {
    use super::*;

    /// What was built, added to the test's store as nix/package.nix has it: the plugin's package, whose
    /// bin/gantry is a link, and the builder's, to which it leads.
    struct Installed {
        plugin: String,
        builder: String,
    }

    fn installed(nix: &Nix) -> Installed {
        let add = |name: &str| run(nix.command("nix-store").arg("--add").arg(nix.folder().join(name))).ok();
        let place = |name: &str| {
            let place = nix.folder().join(name);
            fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
            place
        };
        fs::copy(dist().join("bin/gantry"), place("gantry-builder/bin/gantry")).expect("a copy");
        let builder = add("gantry-builder");
        let link = place("gantry-package/bin/gantry");
        std::os::unix::fs::symlink(format!("{builder}/bin/gantry"), link).expect("a link");
        let version = format!("lib/gantry/{}/libgantry.so", Nix::version());
        for file in ["lib/nix/plugins/libgantry.so", &version] {
            fs::copy(dist().join(file), place(&format!("gantry-package/{file}"))).expect("a copy");
        }
        Installed { plugin: add("gantry-package"), builder }
    }

    fn function(installed: &Installed) -> String {
        let default = quoted(&manifest().join("nix/default.nix"));
        format!(
            "(import {default} {{ gantry = {}; }}).ociImage",
            package(&format!("builtins.storePath {}", installed.builder))
        )
    }

    /// A shell command with the test's store at /nix, as on a user's machine.
    fn at_nix(nix: &Nix, settings: &str, script: &str, expression: &str) -> Command {
        let configured = with_settings(nix, "nix", settings);
        let mut command = nix.in_store(script);
        command.envs(configured.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("NIX_REMOTE", "local").env("EXPRESSION", expression);
        command
    }

    #[test]
    fn derivations_are_those_of_the_plugin() {
        let nix = Nix::without_plugin();
        let installed = installed(&nix);
        let plain = IMAGE.replace("builtins.ociImage", &function(&installed));
        let plugin = format!("plugin-files = {}/lib/nix/plugins/libgantry.so", installed.plugin);
        let instantiate = |settings: &str, image: &str| {
            let images =
                format!("let image = {image}; in [ image image.root image.layout image.layout.root ]");
            run(&mut at_nix(&nix, settings, r#"nix-instantiate --expr "$EXPRESSION""#, &images)).ok()
        };
        let (with, without) = (instantiate(&plugin, IMAGE), instantiate("", &plain));
        assert_eq!(with.lines().count(), 4, "{with}");
        assert_eq!(with, without);
    }

    /// Builds an image of wrong arguments, and compares the last line of the log with what the evaluator says.
    #[track_caller]
    fn said_by_the_builder(arguments: &str) {
        let nix = Nix::without_plugin();
        let image = format!("{} {{ {arguments} }}", function(&installed(&nix)));
        let evaluator = Nix::new().eval(&format!("(builtins.ociImage {{ {arguments} }}).drvPath")).err();
        let (message, _) = innermost(&evaluator);
        let words = message.lines().next().and_then(|line| line.strip_prefix("error: builtins.ociImage: "));
        let words = words.unwrap_or_else(|| panic!("{evaluator}"));

        // What is said does not depend on the sandbox, which is not to be had in a changed root.
        let build = r#"nix-build --no-out-link --option sandbox false --expr "$EXPRESSION""#;
        let ran = run(&mut at_nix(&nix, "", build, &image));
        assert!(ran.code != Some(0), "{arguments} was built: {}", ran.stdout);
        let error = ran.err();
        // Each version of Nix says in words of its own which builder failed, that of the root layer or the image's.
        // It is the last one that ran, and so has a log.
        let log = |drv: &str| run(&mut at_nix(&nix, "", &format!("nix-store --read-log {drv}"), ""));
        let named = error.split('\'').filter(|word| word.ends_with(".drv"));
        let log = named.map(log).rfind(|log| log.code == Some(0));
        let log = log.unwrap_or_else(|| panic!("no builder failed: {error}")).stdout;
        let last = log.lines().last().unwrap_or_default();
        assert_eq!(last.strip_prefix("error: ").unwrap_or(last), words, "{log}");
        nothing_is_built_of_it(&nix);
    }

    #[track_caller]
    fn nothing_is_built_of_it(nix: &Nix) {
        let outputs: Vec<String> = outputs(nix).into_iter().filter(|path| !path.ends_with("-root")).collect();
        assert_eq!(outputs, Vec::<String>::new());
    }

    #[test]
    fn a_wrong_configuration_fails_in_the_build_with_the_same_words() {
        said_by_the_builder(r#"name = "app"; config.Env = [ "PATH" ];"#);
    }

    #[test]
    fn a_wrong_number_fails_in_the_build_with_the_same_words() {
        said_by_the_builder(r#"name = "app"; maxLayers = 0;"#);
    }

    #[test]
    fn a_wrong_tag_fails_in_the_build_with_the_same_words() {
        said_by_the_builder(r#"name = "app"; tag = "a b";"#);
    }

    #[test]
    fn a_misspelt_config_key_fails_in_the_build_with_the_same_words() {
        said_by_the_builder(r#"name = "app"; config.entrypoint = [ "/bin/app" ];"#);
    }

    #[test]
    fn an_unknown_format_fails_in_the_build_with_the_same_words() {
        said_by_the_builder(r#"name = "app"; format = "tarball";"#);
    }

    #[test]
    fn a_misspelt_argument_is_not_ignored() {
        let nix = Nix::without_plugin();
        let image = format!("{} {{ name = \"app\"; contentz = [ ]; }}", function(&installed(&nix)));
        let build = r#"nix-build --no-out-link --option sandbox false --expr "$EXPRESSION""#;
        let error = run(&mut at_nix(&nix, "", build, &image)).err();
        assert!(error.contains("contentz"), "{error}");
    }
}
