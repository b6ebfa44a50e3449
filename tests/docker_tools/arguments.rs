//! Arguments of all kinds that people write, and errors about the others.

use super::*;

/// Each of these calls with `more` is the same derivation as the other one of its pair.
#[track_caller]
fn assert_same(nix: &Nix, function: &str, pairs: &[(&str, &str)]) -> String {
    let call =
        |more: &str| format!(r#"(dockerTools.{function} ({{ name = "x"; }} // {{ {more} }})).drvPath"#);
    let elements: Vec<String> =
        pairs.iter().map(|(one, other)| format!("[ ({}) ({}) ]", call(one), call(other))).collect();
    let ran = nix.eval(&with_tools(&format!("[ {} ]", elements.join(" "))));
    let stderr = ran.stderr.clone();
    for (pair, paths) in pairs.iter().zip(support::json(&ran.ok()).as_array().expect("a list")) {
        assert_eq!(paths[0], paths[1], "{function}: {pair:?}");
    }
    stderr
}

/// The lines of a standard error that warn.
fn warnings(stderr: &str) -> Vec<&str> {
    stderr.lines().filter_map(|line| Some(line.split_once("warning: ")?.1)).collect()
}

#[test]
fn contents_of_build_image_is_an_old_name_of_copy_to_root() {
    let nix = Nix::without_plugin();
    let same = r#"let new = dockerTools.buildImage { name = "x"; copyToRoot = pkgs.hello; };
        old = dockerTools.buildImage { name = "x"; contents = pkgs.hello; };
        in [ new.drvPath old.drvPath ]"#;
    let ran = nix.eval(&with_tools(same));
    assert!(ran.stderr.contains("write copyToRoot"), "{}", ran.stderr);
    let paths = support::json(&ran.ok());
    assert_eq!(paths[0], paths[1]);
    let both = r#"(dockerTools.buildImage { name = "x"; contents = [ ]; copyToRoot = [ ]; }).drvPath"#;
    assert!(error(&nix, both).contains("write all in copyToRoot"));
}

#[test]
fn what_cannot_be_kept_says_what_to_write_instead() {
    let nix = Nix::without_plugin();
    for (expression, instead) in [
        (
            r#"(dockerTools.buildLayeredImage { name = "x"; maxLayers = 1; }).drvPath"#,
            "ociImage { maxLayers = 1",
        ),
        (
            r#"(dockerTools.buildImage { name = "x"; compressor = "xz"; }).drvPath"#,
            r#"accepted: "none", "gz", "zstd""#,
        ),
        (r#"(dockerTools.buildLayeredImage { name = "x"; compressor = "lz4"; }).drvPath"#, r#"found "lz4""#),
        ("(dockerTools.mergeImages [ ]).drvPath", "one image or more"),
        ("(dockerTools.mergeImages [ examples.bash examples.helloOnRoot ]).drvPath", "use buildLayeredImage"),
        ("dockerTools.mkRootLayer { }", "buildImage with runAsRoot"),
        (
            r#"(dockerTools.pullImage { imageName = "x"; imageDigest = "sha256:00"; }).drvPath"#,
            "gantry prefetch --hash",
        ),
        (
            r#"(dockerTools.streamNixShellImage { drv = examples.bash; }).drvPath"#,
            "without __structuredAttrs",
        ),
        (
            r#"(dockerTools.streamNixShellImage { drv = pkgs.hello; run = "a"; command = "b"; }).drvPath"#,
            "cannot be given beside command",
        ),
        (
            r#"(dockerTools.buildImage { name = "x"; fromImage = examples.mergedBashAndRedis;
                fromImageName = "nginx"; fromImageTag = "latest"; }).drvPath"#,
            "bash:latest, redis:latest",
        ),
    ] {
        let error = error(&nix, expression);
        assert!(error.contains(instead), "{expression}\n{error}");
    }
}

#[test]
fn arguments_of_the_virtual_machine_change_nothing() {
    let nix = Nix::without_plugin();
    let paths = value(
        &nix,
        r#"[ examples.redis.drvPath
             (examples.redis.override { diskSize = 4096; buildVMMemorySize = 2048; }).drvPath ]"#,
    );
    assert_eq!(paths[0], paths[1]);
}

#[test]
fn from_image_name_and_tag_choose_among_merged_images() {
    let nix = Nix::without_plugin();
    let paths = value(
        &nix,
        r#"let on = more: (dockerTools.buildImage ({ name = "x"; } // more)).drvPath; in [
          (on { fromImage = examples.redis; })
          (on { fromImage = examples.mergedBashAndRedis; fromImageName = "redis"; fromImageTag = "latest"; })
          (on { fromImage = examples.redis; fromImageName = "redis"; fromImageTag = "latest"; }) ]"#,
    );
    assert_eq!(paths[0], paths[1]);
    assert_eq!(paths[0], paths[2]);
}

#[test]
fn layering_pipelines_come_as_lists_files_and_derivations() {
    let layers = |archive: &Path| support::json(&member(archive, "manifest.json"))[0]["Layers"].clone();
    for nix in modes() {
        let of = |pipeline: &str| {
            let expression = format!(
                r#"let pipeline = [ [ "popularity_contest" ] [ "limit_layers" 1 ] ]; json = builtins.toJSON pipeline; in
                dockerTools.buildLayeredImage {{ name = "x"; contents = pkgs.hello; layeringPipeline = {pipeline}; }}"#
            );
            let words = ["--no-out-link", "--option", "allow-import-from-derivation", "false", "--expr"];
            let path = run(nix.command("nix-build").args(words).arg(with_tools(&expression))).ok();
            layers(&nix.real(&path))
        };
        let list = of("pipeline");
        // One of store paths, which are two, and the root layer.
        assert_eq!(list.as_array().expect("a list").len(), 2);
        assert_eq!(of(r#"builtins.toFile "pipeline.json" json"#), list);
        assert_eq!(
            of(r#"pkgs.runCommand "pipeline.json" { inherit json; } ''printf %s "$json" > $out''"#),
            list
        );
    }
}

#[test]
fn keys_of_the_configuration_may_be_in_any_case() {
    for nix in modes() {
        let stderr = assert_same(
            &nix,
            "buildLayeredImage",
            &[
                (r#"config.cmd = [ "a" ];"#, r#"config.Cmd = [ "a" ];"#),
                (r#"config.EntryPoint = [ "a" ];"#, r#"config.Entrypoint = [ "a" ];"#),
                (
                    r#"config.healthcheck.test = [ "CMD" "a" ];"#,
                    r#"config.Healthcheck.Test = [ "CMD" "a" ];"#,
                ),
                (
                    r#"config = { USER = "u"; env = [ "A=b" ]; WorkingDir = "/"; };"#,
                    r#"config = { User = "u"; Env = [ "A=b" ]; WorkingDir = "/"; };"#,
                ),
            ],
        );
        let warned = warnings(&stderr);
        let expected = |path: &str, right: &str| {
            format!("dockerTools.buildLayeredImage: config.{path}: written as {right}, the key's name")
        };
        for (path, right) in [
            ("cmd", "Cmd"),
            ("EntryPoint", "Entrypoint"),
            ("healthcheck", "Healthcheck"),
            ("Healthcheck.test", "Test"),
            ("USER", "User"),
            ("env", "Env"),
        ] {
            let found = warned.iter().filter(|line| line.contains(&expected(path, right))).count();
            assert_eq!(found, 1, "{path}: {stderr}");
        }
        assert_eq!(warned.len(), 6, "{stderr}");
    }
}

#[test]
fn two_spellings_of_a_key_are_an_error_that_names_both() {
    for nix in modes() {
        let error = error(
            &nix,
            r#"(dockerTools.streamLayeredImage { name = "x"; config = { Cmd = [ "a" ]; cmd = [ "b" ]; }; }).drvPath"#,
        );
        assert!(error.contains("dockerTools.streamLayeredImage: Cmd: found under 2 names"), "{error}");
        assert!(error.contains("Cmd, cmd"), "{error}");
    }
}

#[test]
fn keys_that_no_engine_knows_are_left_out_with_the_nearest_name() {
    for nix in modes() {
        let stderr = assert_same(
            &nix,
            "buildImage",
            &[
                (r#"config = { Expose = [ 80 ]; Home = "/h"; };"#, "config = { };"),
                (r#"config = { Workdir = "/w"; Command = "c"; Enviroment = [ ]; };"#, "config = { };"),
                ("config.Healthcheck = { Tests = [ ]; Retries = 1; };", "config.Healthcheck.Retries = 1;"),
            ],
        );
        for (key, right) in [
            ("Expose", "did you mean ExposedPorts?"),
            ("Home", "keys are User, ExposedPorts, "),
            ("Workdir", "did you mean WorkingDir?"),
            ("Command", "did you mean Cmd?"),
            ("Enviroment", "did you mean Env?"),
            ("Healthcheck.Tests", "did you mean Test?"),
        ] {
            let start =
                format!("dockerTools.buildImage: config.{key}: left out, because no container engine");
            let line = warnings(&stderr).into_iter().find(|line| line.starts_with(&start));
            assert!(line.is_some_and(|line| line.contains(right)), "{key}: {stderr}");
        }
    }
}

#[test]
fn the_keys_are_those_of_the_builtin() {
    let nix = Nix::without_plugin();
    let config = quoted(&manifest().join("nix/docker-tools/config.nix"));
    let keys = value(&nix, &format!("(import {config} {{ inherit (pkgs) lib; arguments = null; }}).keys"));
    // The builder lists what it accepts where no name is near.
    let task = json!({ "gantry": { "kind": "root", "arguments": { "config": { "qqqqqqqqqqqqqq": 1 } } } });
    let attributes = nix.folder().join("attrs.json");
    fs::write(&attributes, task.to_string()).expect("a file");
    let out = nix.folder().join("out");
    let words = ["build", "--attrs", &attributes.display().to_string(), "--out", &out.display().to_string()];
    let error = run(std::process::Command::new(support::gantry()).args(words)).err();
    let listed = error.split_once("accepted: ").expect("a list").1.trim();
    let keys: Vec<&str> =
        keys.as_array().expect("a list").iter().map(|key| key.as_str().expect("text")).collect();
    assert_eq!(keys.join(", "), listed);
}

#[test]
fn strings_stand_for_lists_of_one_word() {
    for nix in modes() {
        let stderr = assert_same(
            &nix,
            "buildImage",
            &[
                (r#"config.Cmd = "a b";"#, r#"config.Cmd = [ "a b" ];"#),
                (
                    r#"config.entrypoint = "${pkgs.hello}/bin/hello";"#,
                    r#"config.Entrypoint = [ "${pkgs.hello}/bin/hello" ];"#,
                ),
            ],
        );
        for key in ["Cmd", "entrypoint"] {
            let text = format!("dockerTools.buildImage: config.{key}: found a string, expected a list");
            assert_eq!(stderr.matches(&text).count(), 1, "{stderr}");
        }
    }
}

#[test]
fn values_that_engines_read_otherwise_are_written_as_they_read_them() {
    for nix in modes() {
        let stderr = assert_same(
            &nix,
            "buildImage",
            &[
                (
                    r#"config.ExposedPorts = { "80/TCP" = null; "90" = { }; };"#,
                    r#"config.ExposedPorts = { "80/tcp" = { }; "90" = { }; };"#,
                ),
                (r#"config.Volumes."/data" = null;"#, r#"config.Volumes."/data" = { };"#),
                (
                    r#"uid = "1000"; gid = "007"; copyToRoot = pkgs.hello;"#,
                    "uid = 1000; gid = 7; copyToRoot = pkgs.hello;",
                ),
                (r#"extraCommands = [ "touch" "a" ];"#, r#"extraCommands = "touch a";"#),
            ],
        );
        assert_eq!(warnings(&stderr), [""; 0]);
        // moby, container/env.go: an entry without "=" unsets a variable.
        let stderr = assert_same(
            &nix,
            "buildImage",
            &[(r#"config.env = [ "A" "B=c" ];"#, r#"config.Env = [ "B=c" ];"#)],
        );
        assert!(stderr.contains("dockerTools.buildImage: config.env: A: left out"), "{stderr}");
    }
}

#[test]
fn null_is_not_given() {
    for nix in modes() {
        for function in ["buildImage", "buildLayeredImage", "streamLayeredImage"] {
            let names = ["architecture", "config", "created", "extraCommands", "fromImage", "meta", "tag"];
            let nulls: Vec<String> = names.iter().map(|name| format!("{name} = null;")).collect();
            let mut pairs: Vec<(&str, &str)> = nulls.iter().map(|null| (null.as_str(), "")).collect();
            if function == "buildImage" {
                pairs.extend([
                    ("copyToRoot = null;", ""),
                    ("runAsRoot = null;", ""),
                    ("compressor = null;", ""),
                ]);
            } else {
                pairs.extend([
                    ("contents = null;", ""),
                    ("fakeRootCommands = null;", ""),
                    ("layeringPipeline = null;", ""),
                    ("mtime = null;", ""),
                    ("passthru = null;", ""),
                ]);
            }
            assert_same(&nix, function, &pairs);
        }
    }
}

#[test]
fn contents_are_flat_lists_without_nulls() {
    for nix in modes() {
        assert_same(
            &nix,
            "buildLayeredImage",
            &[
                ("contents = [ null pkgs.hello null ];", "contents = [ pkgs.hello ];"),
                ("contents = [ [ pkgs.hello ] [ [ pkgs.bash ] ] ];", "contents = [ pkgs.hello pkgs.bash ];"),
                (r#"contents = [ "" pkgs.hello ];"#, "contents = pkgs.hello;"),
                (r#"contents = "";"#, "contents = [ ];"),
            ],
        );
        assert_same(&nix, "buildImage", &[("copyToRoot = [ null pkgs.hello ];", "copyToRoot = pkgs.hello;")]);
    }
}

#[test]
fn more_layers_than_clients_mount_are_as_many_as_they_do() {
    for nix in modes() {
        let stderr = assert_same(
            &nix,
            "buildLayeredImage",
            &[("maxLayers = 500;", "maxLayers = 127;"), ("maxLayers = 128;", "maxLayers = 127;")],
        );
        assert_eq!(warnings(&stderr), [""; 0]);
    }
}

#[test]
fn dates_of_every_kind_are_taken() {
    // Of CPython: datetime(2022, 10, 5, 10, 11, 12, tzinfo=utc).
    let (midnight, moment) = ("2022-10-05T00:00:00Z", "2022-10-05T10:11:12Z");
    let dates = [
        ("20221005", midnight),
        ("2022-10-05", midnight),
        ("20221005101112", moment),
        ("2022-10-05T10:11:12", moment),
        ("2022-10-05T12:11:12+02:00", moment),
        ("20221005T101112Z", moment),
        ("2022-10-05 10:11:12 UTC", moment),
        ("2022-10-05 12:11:12+02:00", moment),
        ("@1664964672", moment),
    ];
    for nix in modes() {
        for function in ["buildImage", "buildLayeredImage"] {
            let images: Vec<String> = dates
                .iter()
                .map(|(date, _)| format!(r#"(dockerTools.{function} {{ name = "x"; created = "{date}"; }})"#))
                .collect();
            let paths = run(nix.command("nix-build").args([
                "--no-out-link",
                "--expr",
                &with_tools(&format!("[ {} ]", images.join(" "))),
            ]))
            .ok();
            assert_eq!(paths.lines().count(), dates.len());
            for (path, (date, written)) in paths.lines().zip(dates) {
                let archive = nix.real(path);
                let manifest = support::json(&member(&archive, "manifest.json"));
                let config =
                    support::json(&member(&archive, manifest[0]["Config"].as_str().expect("a name")));
                assert_eq!(config["created"], written, "{date}");
            }
        }
    }
}

#[test]
fn errors_name_the_function_and_the_users_line() {
    for (text, message, line) in [
        (
            "dockerTools.buildImage {\n  name = \"x\";\n  contnets = 1;\n}",
            "dockerTools.buildImage: contnets: unknown argument",
            4,
        ),
        (
            "dockerTools.streamLayeredImage {\n  name = \"x\";\n  copyToRoot = 1;\n}",
            "dockerTools.streamLayeredImage: copyToRoot: unknown argument",
            4,
        ),
        (
            "dockerTools.buildLayeredImageWithNixDb {\n  name = \"x\";\n\n  compressor = 1;\n}",
            "dockerTools.buildLayeredImageWithNixDb: compressor: found 1",
            5,
        ),
        (
            "dockerTools.exportImage {\n  fromImage = null; name = \"x\";\n}",
            "dockerTools.exportImage: fromImage: found null",
            3,
        ),
        (
            "dockerTools.pullImage {\n  imageName = \"x\";\n  digest = 1;\n}",
            "dockerTools.pullImage: digest: unknown argument",
            4,
        ),
        (
            "dockerTools.buildNixShellImage {\n  drv = pkgs.hello;\n  drvs = 1;\n}",
            "dockerTools.buildNixShellImage: drvs: unknown argument",
            4,
        ),
    ] {
        for nix in modes() {
            let file = nix.folder().join("user.nix");
            fs::write(&file, format!("{{ dockerTools, pkgs }}:\n{text}")).expect("a file");
            let call = format!("(import {} {{ inherit dockerTools pkgs; }}).drvPath", quoted(&file));
            let error = error(&nix, &call);
            assert!(error.contains(message), "{error}");
            assert!(error.contains(&format!("at {}:{line}:", file.display())), "{error}");
        }
    }
    for function in ["buildImage", "buildLayeredImage", "streamLayeredImage"] {
        for nix in modes() {
            let error = error(&nix, &format!("(dockerTools.{function} {{ tag = \"x\"; }}).drvPath"));
            let message = format!("dockerTools.{function}: name: required argument is missing");
            assert!(error.contains(&message), "{error}");
        }
    }
}

/// With the plugin, values are checked while evaluating, in the name of the function and under the user's names.
#[test]
fn errors_about_values_are_at_the_users_line_with_the_plugin() {
    let nix = Nix::new();
    for (text, message, line) in [
        (
            "dockerTools.buildLayeredImage {\n  name = \"x\";\n  config = {\n    Cmd = 3;\n  };\n}",
            "dockerTools.buildLayeredImage: config.Cmd: found an integer (3)",
            5,
        ),
        (
            "dockerTools.buildImage {\n  name = \"x\";\n  contents = [ 3 ];\n}",
            "dockerTools.buildImage: contents[0]: found an integer (3)",
            4,
        ),
        (
            "dockerTools.buildLayeredImage {\n  name = \"x\";\n  layeringPipeline = [ 3 ];\n}",
            "dockerTools.buildLayeredImage: layeringPipeline[0]: found an integer (3)",
            4,
        ),
        (
            "dockerTools.buildImageWithNixDb {\n  name = \"x\";\n  config.cmd = [ 3 ];\n}",
            "dockerTools.buildImageWithNixDb: config.Cmd[0]: found an integer (3)",
            4,
        ),
        (
            "dockerTools.buildImage {\n  name = \"x\";\n  config = {\n    ExposedPorts = {\n      \"80/tcpp\" = { };\n    };\n  };\n}",
            "dockerTools.buildImage: config.ExposedPorts.\"80/tcpp\": ",
            6,
        ),
        (
            "dockerTools.buildImage {\n  name = \"x\";\n  config = {\n    cmd = [ \"a\" ];\n    Healthcheck = {\n      Retries = \"x\";\n    };\n  };\n}",
            "dockerTools.buildImage: config.Healthcheck.Retries: ",
            7,
        ),
        ("dockerTools.buildImage {\n  name = \"X y\";\n}", "dockerTools.buildImage: name: ", 3),
    ] {
        let file = nix.folder().join("user.nix");
        fs::write(&file, format!("{{ dockerTools, pkgs }}:\n{text}")).expect("a file");
        let call = format!("(import {} {{ inherit dockerTools pkgs; }}).drvPath", quoted(&file));
        let error = error(&nix, &call);
        assert!(error.contains(message), "{error}");
        assert!(error.contains(&format!("{}:{line}:", file.display())), "{error}");
    }
}
