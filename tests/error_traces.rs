//! What errors show of where they come from: positions in the user's files, and in no other code. Neither in the
//! Nix functions inside the plugin nor in Nix's own `derivation`; with `--show-trace` as without.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{Nix, run};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

/// All positions that an error has in its text: what stands between "at " and ":LINE:COLUMN".
fn positions(error: &str) -> Vec<(&str, usize)> {
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    error
        .lines()
        .filter_map(|line| {
            let line = line.trim_end().trim_end_matches(':');
            let place = line.strip_prefix("at ").or_else(|| Some(line.split_once(" at ")?.1))?;
            let mut parts = place.rsplitn(3, ':');
            parts.next().filter(is_number)?;
            let row = parts.next().filter(is_number)?;
            Some((parts.next()?, row.parse().expect("a number")))
        })
        .collect()
}

/// The lines of code that an error quotes, each with its number: `   12| text`.
fn quoted_lines(error: &str) -> Vec<(usize, &str)> {
    error
        .lines()
        .filter_map(|line| {
            let (number, text) = line.trim_start().split_once('|')?;
            Some((number.parse().ok()?, text.strip_prefix(' ').unwrap_or(text)))
        })
        .collect()
}

/// That an error shows nothing but the user's code, which is in the file `place` or below that directory.
fn check(error: &str, place: &str) -> Result<(), String> {
    let mut wrong: Vec<String> = positions(error)
        .into_iter()
        .filter(|(file, _)| !file.starts_with(place))
        .map(|(file, row)| format!("a position in {file}:{row}"))
        .collect();
    let places = ["«none»", "«nix-internal»", "<nix/", "builtin/derivation.nix", "derivation-internal"];
    let names = ["'gantry.", "'shown'", "'guard'", "'theirs'", "'bare'", "gantry: the user's code"];
    for word in places.into_iter().chain(names) {
        if error.contains(word) {
            wrong.push(format!("it contains {word}"));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("{}\n{error}", wrong.join("\n"))),
    }
}

/// Every case of tests/cases/fail.
fn every_failing_case(more: &[&str]) {
    let nix = Nix::new();
    let place = cases().display().to_string();
    let mut count = 0;
    let mut failures = Vec::new();
    for entry in fs::read_dir(cases().join("fail")).expect("cases") {
        let case = entry.expect("an entry").path();
        let mut command = nix.command("nix-instantiate");
        let error = run(command.args(["--eval", "-A", "drvPath"]).args(more).arg(&case)).err();
        count += 1;
        let verdict = check(&error, &place).and_then(|()| match error.contains("«string»") {
            true => Err(format!("it contains «string»\n{error}")),
            false => Ok(()),
        });
        if let Err(why) = verdict {
            failures.push(format!("--- {}\n{why}", case.display()));
        }
    }
    assert!(count > 200, "only {count} cases");
    assert!(failures.is_empty(), "{} of {count} cases:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn failing_cases_show_the_users_code_alone() {
    every_failing_case(&[]);
}

#[test]
fn failing_cases_show_the_users_code_alone_with_traces() {
    every_failing_case(&["--show-trace"]);
}

/// Evaluates `attribute` of a file, which must fail with traces in that file alone; the error.
#[track_caller]
fn traced(text: &str, attribute: &str) -> String {
    let nix = Nix::new();
    let file = nix.folder().write("user.nix", text);
    let mut command = nix.command("nix-instantiate");
    command.args(["--eval", "--strict", "--read-write-mode", "--show-trace", "-A", attribute]).arg(&file);
    let error = run(&mut command).err();
    if let Err(why) = check(&error, &file.display().to_string()) {
        panic!("{text}\n{attribute}: {why}");
    }
    assert!(!error.contains("«string»"), "{error}");
    error
}

/// What `throws`, an expression that calls the user's function `mine`, shows: that function.
#[track_caller]
fn keeps_the_users_function(throws: &str, attribute: &str) -> String {
    let text = format!(
        r#"let
  mine =
    _: throw "the user's error";
  package = derivation {{ name = "package"; system = "x86_64-linux"; builder = "/none"; }};
in
{throws}
"#
    );
    let error = traced(&text, attribute);
    assert!(error.contains("error: the user's error"), "{error}");
    let quoted = quoted_lines(&error);
    assert!(quoted.contains(&(3, "    _: throw \"the user's error\";")), "{throws}: {error}");
    error
}

mod of_the_users_code {
    use super::*;

    #[test]
    fn in_arguments() {
        for arguments in [
            "contents = [ (mine 1) ];",
            "contents = mine 1;",
            "contents = [ (package // { outPath = mine 1; }) ];",
            "contents = [ { __toString = mine; } ];",
            "config.Cmd = [ \"a\" (mine 1) ];",
            "config.Labels.a.b = mine 1;",
            "tag = \"${mine 1}\";",
            "layers = [ [ package (mine 1) ] ];",
            "fromImage = mine 1;",
            "meta = mine 1;",
            "passthru = mine 1;",
            "contents = [ (builtins.ociImage { name = \"inner\"; contents = [ (mine 1) ]; }) ];",
            "contents = [ (derivation { name = mine 1; system = \"x\"; builder = \"/none\"; }) ];",
            "contents = [ (derivation { name = \"x\"; system = \"x\"; builder = mine 1; }) ];",
        ] {
            let image = format!("builtins.ociImage {{ name = \"app\"; {arguments} }}");
            keeps_the_users_function(&image, "drvPath");
        }
        for arguments in ["imageName = mine 1;", "imageName = \"app\"; imageDigest = mine 1;"] {
            keeps_the_users_function(&format!("builtins.pullImage {{ {arguments} }}"), "drvPath");
        }
        keeps_the_users_function("builtins.ociImage (mine 1)", "drvPath");
    }

    #[test]
    fn in_what_is_not_looked_into() {
        let image = "builtins.ociImage { name = \"app\"; passthru.broken = mine 1; meta.broken = mine 1; }";
        for attribute in
            ["broken", "passthru.broken", "meta.broken", "layout.broken", "stream.args.meta.broken"]
        {
            keeps_the_users_function(image, attribute);
        }
    }

    #[test]
    fn in_what_overrides() {
        for change in ["mine", "{ contents = mine 1; }", "(old: { tag = mine old; })"] {
            let image = "builtins.ociImage { name = \"app\"; }";
            keeps_the_users_function(&format!("({image}).override {change}"), "drvPath");
            keeps_the_users_function(
                &format!("(({image}).layout.override {{ }}).override {change}"),
                "drvPath",
            );
            let pulled = "builtins.pullImage { imageName = \"app\"; tag = \"1\"; }";
            let change = change.replace("contents", "finalImageName");
            keeps_the_users_function(&format!("({pulled}).override {change}"), "imageName");
        }
    }

    /// A package's priority is asked for where nothing but our code is on the stack.
    #[test]
    fn that_ours_calls() {
        let image = r#"
          builtins.ociImage {
            name = "app";
            includeNixDB = true;
            contents = [ (package // { meta = builtins.addErrorContext "the user's context" (mine 1); }) ];
          }"#;
        for attribute in [
            "drvPath",
            "outPath",
            "imageTag",
            "imageRef",
            "out.outPath",
            "all",
            "out.all",
            "drvAttrs.gantry",
            "gantry",
            "exportReferencesGraph",
            "gantry.root",
            "root.drvPath",
            "root.out.outPath",
            "root.gantry.arguments.contents",
            "database.drvPath",
            "archive.drvPath",
            "layout.outPath",
            "layout.root.drvPath",
            "stream.drvPath",
        ] {
            let error = keeps_the_users_function(image, attribute);
            assert!(error.contains("… the user's context"), "{attribute}: {error}");
        }
    }

    #[test]
    fn in_an_expression_that_is_no_file() {
        let expression = "let\n  mine = x:\n    throw \"the user's ${x}\";\nin\nbuiltins.ociImage {\n  name = \
                          \"app\";\n  config.Cmd = [ (mine \"error\") ];\n}";
        let nix = Nix::new();
        let mut command = nix.command("nix-instantiate");
        let error =
            run(command.args(["--eval", "--show-trace", "-A", "drvPath", "--expr", expression])).err();
        check(&error, "«string»").expect("only the user's code");
        let lines: Vec<&str> = expression.lines().collect();
        let quoted = quoted_lines(&error);
        for (number, text) in &quoted {
            assert_eq!(lines.get(number - 1), Some(text), "{error}");
        }
        assert!(quoted.iter().any(|(_, text)| text.starts_with("  mine = x:")), "{error}");
        for (_, row) in positions(&error) {
            assert!(row <= lines.len(), "{error}");
        }
    }
}

mod of_our_code {
    use super::*;

    /// Thrown where only our code is on the stack: the user learns which call it is.
    #[test]
    fn are_at_the_call() {
        for (image, message) in [
            ("ociImage {\n  name = \"app\";\n  system = \"vax-netbsd\";\n}", "no architecture is known"),
            ("ociImage {\n  name = \"app\";\n  contents = ./missing;\n}", "missing"),
            ("pullImage {\n  imageName = \"127.0.0.1:1/app\";\n  tag = \"1\";\n}", "127.0.0.1:1"),
        ] {
            let error = traced(&format!("builtins.{image}"), "drvPath");
            assert!(error.contains(message), "{error}");
            assert!(!positions(&error).is_empty(), "no position: {error}");
        }
    }

    #[test]
    fn attributes_have_no_positions_of_ours() {
        let image = "builtins.ociImage { name = \"app\"; contents = ./.; }";
        for attribute in ["drvPath", "root", "out", "override", "gantry", "meta", "args", "imageTag"] {
            let error = traced(
                &format!("let image = {image}; in {{ missing = image.{attribute}.nothing; }}"),
                "missing",
            );
            assert!(!positions(&error).is_empty(), "no position: {error}");
        }
        for attribute in ["gantry.arguments", "root.gantry.arguments", "root.out", "drvAttrs", "layout"] {
            traced(&format!("let image = {image}; in {{ missing = image.{attribute}.nothing; }}"), "missing");
        }
    }

    #[test]
    fn images_are_compared_and_evaluated_deeply_as_before() {
        let nix = Nix::new();
        let expression = r#"
          let
            image = builtins.ociImage { name = "app"; contents = builtins.toFile "file" ""; passthru.f = x: x + 1; };
          in
          assert builtins.deepSeq image.root true;
          assert builtins.deepSeq image.out true;
          assert image == image.archive && image != image.layout && image.out == image;
          assert "${image}" == image.outPath && toString image.root == image.root.outPath;
          assert builtins.toJSON image == "\"${image}\"";
          assert (image // { mine = 1; }).drvPath == image.drvPath;
          assert builtins.elem "override" (builtins.attrNames image) && builtins.isFunction image.override;
          assert builtins.head image.all == image.out && image.out.out.out.outPath == image.outPath;
          assert image.f 1 == 2 && builtins.functionArgs image.f == { };
          assert image.drvAttrs.name == image.name && image.root.args == [ "build" ];
          assert image.gantry.arguments.name == "app";
          true"#;
        let mut command = nix.command("nix-instantiate");
        assert_eq!(run(command.args(["--eval", "--read-write-mode", "--expr", expression])).ok(), "true");
    }
}
