//! `nix/nix2container.nix` in place of nix2container: its functions and arguments, on images that are built, loaded as
//! `docker load` does, and run, with the plugin and without.
//!
//! nixpkgs is tests/docker-tools/pkgs.nix, of Debian's programs.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use support::{
    Container, Image, MadeImages, MadeLayer, Member, Nix, Ran, Registry, gantry_package, look_at_others,
    output, quoted, run,
};

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of programs that tests/docker-tools/programs makes.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let script = manifest().join("tests/docker-tools/programs");
        output::<&str>(&script.display().to_string(), &[]).into()
    })
}

/// An expression that knows the package set, the functions, and packages that tests need.
fn with_functions(expression: &str) -> String {
    format!(
        r#"let
  # What getManifest runs is the machine's.
  pkgs = import {pkgs} {{ programs = {programs}; }} // {{ skopeo = "/usr"; jq = "/usr"; }};
  nix2container = import {file} {{ inherit pkgs; gantry = {gantry}; }};
  inherit (nix2container) buildImage buildLayer pullImage pullImageFromManifest;
  # As buildEnv makes it of one package.
  environment = package: pkgs.runCommand "environment" {{ }} "mkdir $out; ln -s ${{package}}/bin $out/bin";
  files = pkgs.runCommand "files" {{ }} ''
    mkdir -p $out/tmp $out/home/user $out/etc
    echo one > $out/tmp/test1.txt
    echo two > $out/tmp/test2.txt
    echo user:x:1000:1000::/home/user:/bin/bash > $out/etc/passwd
  '';
  in
{expression}"#,
        pkgs = quoted(&manifest().join("tests/docker-tools/pkgs.nix")),
        programs = quoted(programs()),
        gantry = gantry_package(),
        file = quoted(&manifest().join("nix/nix2container.nix")),
    )
}

/// Nix without the plugin and with it: both have to do the same.
fn modes() -> [Nix; 2] {
    [Nix::without_plugin(), Nix::new()]
}

#[track_caller]
fn eval(nix: &Nix, expression: &str) -> Ran {
    nix.eval(&with_functions(expression))
}

#[track_caller]
fn value(nix: &Nix, expression: &str) -> Value {
    support::json(&eval(nix, expression).ok())
}

/// What Nix says while an expression is evaluated that is right.
#[track_caller]
fn warnings(nix: &Nix, expression: &str) -> String {
    let ran = eval(nix, expression);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stderr
}

/// The archive of an image.
#[track_caller]
fn built(nix: &Nix, expression: &str) -> PathBuf {
    nix.built(&with_functions(expression))
}

/// The names of a layer's store paths, without their hashes.
fn stored(layer: &support::Layer) -> Vec<String> {
    let mut names: Vec<String> = layer
        .members
        .iter()
        .filter_map(|member| member.name.strip_prefix("nix/store/"))
        .filter(|name| !name.contains('/') && name.len() > 33)
        .map(|name| name[33..].to_owned())
        .collect();
    names.sort();
    names
}

#[track_caller]
fn member<'i>(image: &'i Image, name: &str) -> &'i Member {
    let mut all = image.layers.iter().flat_map(|layer| &layer.members);
    all.rfind(|member| member.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn the_functions_have_the_arguments_of_nix2containers() {
    // nix2container's default.nix, of March 2026; hash is of this project.
    let expected = json!({
        "buildImage": [
            "arch", "config", "contents", "copyToRoot", "created", "fromImage", "initializeNixDatabase", "layers",
            "maxLayers", "meta", "name", "nixGid", "nixUid", "perms", "tag"
        ],
        "buildLayer": [
            "contents", "copyToRoot", "deps", "ignore", "layers", "maxLayers", "metadata", "perms", "reproducible"
        ],
        "pullImage": ["arch", "hash", "imageDigest", "imageName", "name", "os", "sha256", "tlsVerify"],
        "pullImageFromManifest": [
            "arch", "imageManifest", "imageName", "imageTag", "os", "registryUrl", "tlsVerify"
        ],
    });
    for nix in modes() {
        let found = value(
            &nix,
            "builtins.mapAttrs (_: f: builtins.attrNames (builtins.functionArgs f)) nix2container",
        );
        assert_eq!(found, expected);
    }
}

#[test]
fn layers_are_put_together_as_they_are_nested() {
    let image = r#"buildImage {
      name = "Team/Nested";
      config = { entrypoint = [ "/bin/bash" "-c" "${pkgs.hello}/bin/hello; read -r line < /tmp/test1.txt; echo $line" ]; env = [ "PATH=/bin" ]; };
      copyToRoot = files;
      layers = [
        (buildLayer {
          deps = [ pkgs.hello ];
          copyToRoot = environment pkgs.bash;
          layers = [ (buildLayer { deps = [ pkgs.bash ]; }) (buildLayer { deps = [ pkgs.bash ]; }) ];
        })
        # Of nothing, as in nix2container's example `duplicated`.
        (buildLayer { })
      ];
    }"#;
    let mut ids = Vec::new();
    for nix in modes() {
        let archive = built(&nix, image);
        let looked = look_at_others(&archive);
        let names: Vec<Vec<String>> = looked.layers.iter().map(stored).collect();
        // bash once, in the innermost layer; what is moved to / is not in the store.
        let none = Vec::<String>::new();
        assert_eq!(names, [vec!["bash".to_owned()], vec!["hello".to_owned()], none]);
        assert_eq!(
            looked.docker.as_ref().expect("an archive")[0]["RepoTags"][0].as_str().map(|t| &t[..12]),
            Some("team/nested:")
        );
        assert_eq!(looked.config["created"], "0001-01-01T00:00:00Z");
        let history = looked.config["history"].as_array().expect("a list");
        assert_eq!(history[0]["created_by"], "nix2container");
        let container = Container::load(&archive);
        assert_eq!(container.run(&[]).ok(), "Hello, world!\none");
        ids.push(container.diff_ids().iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
    }
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn what_a_layer_below_copies_is_not_copied_again() {
    for nix in modes() {
        let archive = built(
            &nix,
            r#"let
              fold = builtins.foldl' (below: layer: below ++ [ (buildLayer (layer // { layers = below; })) ]) [ ];
              perms = [ { path = files; regex = "/tmp$"; mode = "1777"; } ];
            in buildImage {
              name = "x";
              layers = fold [ { copyToRoot = files; } { copyToRoot = [ files ]; } { copyToRoot = files; inherit perms; } ];
              copyToRoot = [ files (environment pkgs.bash) ];
              inherit perms;
            }"#,
        );
        let image = look_at_others(&archive);
        let modes: Vec<Vec<u32>> = image
            .layers
            .iter()
            .map(|layer| layer.members.iter().filter(|m| m.name == "tmp").map(|m| m.mode).collect())
            .collect();
        // Again where rules differ; the store paths' layer and the root layer, with bash, have none of it.
        assert_eq!(modes, [vec![0o755], vec![0o1777], vec![], vec![]]);
        member(&image, "bin");
    }
}

#[test]
fn rules_are_about_paths_in_the_store() {
    // nix2container's examples openbar, perms and ownership, and one about a dependency.
    for nix in modes() {
        let archive = built(
            &nix,
            r#"buildImage {
              name = "rules";
              copyToRoot = [ files ];
              config.Cmd = [ "${pkgs.hello}/bin/hello" ];
              layers = [ (buildLayer {
                deps = [ pkgs.cacert ];
                perms = [ { path = pkgs.cacert; regex = "crt$"; mode = "0640"; } ];
              }) ];
              perms = [
                { path = files; regex = "/tmp$"; mode = "1777"; }
                { path = files; regex = "/tmp/test1.txt"; uid = 1001; gid = 1002; uname = "me"; gname = "us"; mode = ""; }
                { path = files; regex = "^/tmp/test2"; mode = "0777"; }
                { path = files; Regex = "/home/.*"; mode = "0744"; uid = 1000; gid = 1000; }
                { path = pkgs.nix; regex = ".*"; mode = "0777"; }
                { path = "${pkgs.nginx}/bin"; regex = ".*"; mode = "0777"; }
              ];
            }"#,
        );
        let image = look_at_others(&archive);
        assert!(!image.layers.iter().flat_map(stored).any(|name| name == "nginx"));
        let found = |name: &str| {
            let member = member(&image, name);
            (member.mode, member.uid, member.gid, member.uname.clone())
        };
        assert_eq!(found("tmp"), (0o1777, 0, 0, "root".to_owned()));
        assert_eq!(found("tmp/test1.txt"), (0o444, 1001, 1002, "me".to_owned()));
        assert_eq!(found("tmp/test2.txt"), (0o444, 0, 0, "root".to_owned()));
        assert_eq!(found("home/user"), (0o744, 1000, 1000, String::new()));
        let bundle = value(&nix, "\"${pkgs.cacert}\"");
        let bundle = format!("{}/etc/ssl/certs/ca-bundle.crt", bundle.as_str().expect("a path"));
        assert_eq!(found(bundle.trim_start_matches('/')).0, 0o640);
    }
}

#[test]
fn nix_works_in_an_image_with_its_database() {
    let nix = Nix::new();
    let archive = built(
        &nix,
        r#"buildImage {
          name = "nix-user";
          initializeNixDatabase = true;
          nixUid = 1000;
          nixGid = "1000";
          copyToRoot = [ (environment pkgs.nix) files ];
          layers = [ (buildLayer { deps = [ pkgs.coreutils ]; copyToRoot = environment pkgs.hello; }) ];
          perms = [ { path = files; regex = "/home/user"; uid = 1000; gid = 1000; } ];
          config = { User = "user"; Cmd = [ "${pkgs.bash}/bin/bash" ]; Env = [ "HOME=/home/user" "PATH=${pkgs.nix}/bin:${pkgs.coreutils}/bin" ]; };
        }"#,
    );
    let looked = look_at_others(&archive);
    for name in ["nix", "nix/store", "nix/store/.links", "nix/var/nix/db", "nix/var/nix/db/db.sqlite"] {
        assert_eq!((member(&looked, name).uid, member(&looked, name).gid), (1000, 1000), "{name}");
    }
    let container = Container::load(&archive);
    let packages = value(&nix, r#"map toString [ pkgs.hello pkgs.nix pkgs.coreutils pkgs.bash ]"#);
    for package in packages.as_array().expect("a list") {
        let package = package.as_str().expect("a path");
        let hash = container.run(&[
            &format!("{}/bin/nix-store", packages[1].as_str().expect("a path")),
            "-q",
            "--hash",
            package,
        ]);
        assert!(hash.ok().starts_with("sha256:"), "{package}");
    }
    // All that it knows is there and would stay.
    let script = r#"set -e; nix-store --gc --print-dead 2>/dev/null || echo failed; for path in $(nix-store -qR /nix/var/nix/gcroots/docker/*); do test -e $path || echo no $path; done"#;
    let shell = format!("{}/bin/bash", packages[3].as_str().expect("a path"));
    assert_eq!(container.run(&[&shell, "-c", script]).ok(), "");
}

#[test]
fn layers_are_as_many_as_asked_for() {
    let nix = Nix::without_plugin();
    let count = |arguments: &str| {
        let image = look_at_others(&built(&nix, &format!("buildImage {{ name = \"x\"; {arguments} }}")));
        image.layers.iter().map(stored).collect::<Vec<_>>()
    };
    let config = r#"config.entrypoint = [ "${pkgs.hello}/bin/hello" "${pkgs.nginx}" "${pkgs.cacert}" ];"#;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    // The root layer is one more.
    let all = names(&["bash", "cacert", "hello", "nginx"]);
    assert_eq!(count(config), [all, names(&[])]);
    let three = count(&format!("maxLayers = 3; {config}"));
    assert_eq!(three.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 2, 0]);
    assert_eq!(three[0], names(&["bash"]));
    let layer = r#"layers = [ (buildLayer { maxLayers = 2; deps = [ pkgs.hello pkgs.cacert ]; copyToRoot = files; metadata = {
      created_by = "me"; author = "I"; comment = "mine"; }; }) ];"#;
    let of_layer = count(&format!("maxLayers = 0; {layer}"));
    assert_eq!(of_layer[0], names(&["bash"]));
    assert_eq!(of_layer[1], names(&["cacert", "hello"]));
    let image = look_at_others(&built(&nix, &format!("buildImage {{ name = \"x\"; {layer} }}")));
    for entry in [0, 1] {
        let entry = &image.config["history"][entry];
        assert_eq!([&entry["created_by"], &entry["author"], &entry["comment"]], ["me", "I", "mine"]);
    }
    let ignored = count(
        r#"layers = [ (buildLayer { deps = [ pkgs.hello ]; ignore = pkgs.hello; reproducible = false; }) ];"#,
    );
    assert_eq!(ignored[0], names(&["bash"]));
    // More than there is room for, below or in all, are as many as there is room for.
    let many = |name: &str, count: usize| {
        format!("(builtins.genList (i: builtins.toFile \"{name}${{toString i}}\" \"\") {count})")
    };
    let hundred = format!("maxLayers = 100; config.Cmd = {};", many("of-image", 110));
    assert_eq!(count(&hundred).len(), 101);
    let below = format!("layers = [ (buildLayer {{ maxLayers = 100; deps = {}; }}) ];", many("of-layer", 40));
    assert_eq!(count(&format!("{hundred} {below}")).len(), 127);
    let on_base = format!("{hundred} fromImage = buildImage {{ name = \"base\"; {below} }};");
    assert_eq!(count(&on_base).len(), 127);
    let layer = look_at_others(&built(&nix, "(buildLayer { deps = [ pkgs.hello ]; }).archive"));
    assert_eq!(stored(&layer.layers[0]), names(&["bash", "hello"]));
}

#[test]
fn results_have_what_nix2containers_have() {
    for nix in modes() {
        let found = value(
            &nix,
            r#"let image = buildImage { name = "Ghcr.io/Me/App"; tag = "1"; meta.description = "d"; created = "2024-01-02T03:04:05Z"; };
            in {
              inherit (image) imageName imageTag imageRefUnsafe fromImage type;
              inherit (image.meta) description;
              automatic = builtins.stringLength (buildImage { name = "x"; }).imageTag;
              again = (image.override { tag = "2"; }).imageRefUnsafe;
              attrs = (image.overrideAttrs { passthru.mine = 1; }).mine;
              drv = builtins.match "/nix/store/.*-app.tar.drv" image.drvPath != null;
              programs = map (name: [ image.${name}.type image.${name}.name image.${name}.meta.mainProgram ])
                [ "copyTo" "copyToRegistry" "copyToDockerDaemon" "copyToPodman" ];
              evaluated = builtins.deepSeq image.passthru true;
              # As flakes' apps and scripts name them.
              named = builtins.match "/nix/store/.*-copy-to-registry/bin/copy-to-registry" "${image.copyToRegistry}/bin/copy-to-registry" != null;
            }"#,
        );
        assert_eq!(found["imageRefUnsafe"], "ghcr.io/me/app:1");
        assert_eq!(
            [&found["imageName"], &found["imageTag"], &found["fromImage"]],
            ["ghcr.io/me/app", "1", ""]
        );
        assert_eq!(
            [&found["type"], &found["description"], &found["again"]],
            ["derivation", "d", "ghcr.io/me/app:2"]
        );
        assert_eq!(
            [&found["automatic"], &found["attrs"], &found["drv"], &found["evaluated"], &found["named"]],
            [&json!(32), &json!(1), &json!(true), &json!(true), &json!(true)]
        );
        assert_eq!(found["programs"][1], json!(["derivation", "copy-to-registry", "copy-to-registry"]));
        for (program, command) in [
            ("copyToDockerDaemon", "docker load --input result"),
            ("copyToPodman", "podman load --input result"),
            ("copyToRegistry", "skopeo copy oci-archive:result docker://app:1"),
            ("copyTo", "skopeo copy oci-archive:result DESTINATION"),
        ] {
            let expression =
                with_functions(&format!("(buildImage {{ name = \"app\"; tag = \"1\"; }}).{program}"));
            let error = run(nix.command("nix-build").args(["--no-out-link", "--expr", &expression])).err();
            let expected = format!(
                "nix2container.buildImage: {program}: this version of Gantry does not copy images to other places itself; build the image and run: {command}"
            );
            assert!(error.contains(&expected), "{error}");
        }
    }
}

#[test]
fn what_is_wrong_is_the_functions_that_was_called() {
    for nix in modes() {
        for (call, expected) in [
            (
                "buildImage { name = \"x\"; copytoRoot = files; }",
                "nix2container.buildImage: copytoRoot: unknown argument",
            ),
            ("buildImage { }", "nix2container.buildImage: name: required argument is missing"),
            (
                "buildImage { name = \"x\"; contents = files; copyToRoot = files; }",
                "nix2container.buildImage: contents: an old name of copyToRoot, which is given, too",
            ),
            (
                "buildImage { name = \"x\"; layers = [ pkgs.hello ]; }",
                "nix2container.buildImage: layers: found a set that buildLayer did not make, accepted: results of nix2container.buildLayer",
            ),
            (
                "buildImage { name = \"x\"; perms = [ { regex = \".*\"; } ]; }",
                "nix2container.buildImage: perms: a rule without path, which is a store path",
            ),
            ("buildLayer { dep = [ ]; }", "nix2container.buildLayer: dep: unknown argument"),
            (
                "pullImage { imageName = \"alpine\"; }",
                "nix2container.pullImage: imageDigest: required argument is missing",
            ),
            (
                "pullImageFromManifest { imageName = \"alpine\"; }",
                "nix2container.pullImageFromManifest: imageManifest: required argument is missing",
            ),
        ] {
            let error = eval(&nix, &format!("({call}).drvPath")).err();
            assert!(error.contains(expected), "{call}: {error}");
        }
        let said = warnings(
            &nix,
            r#"(buildImage { name = "x"; contents = files; config = { entrypoint = "a"; Foo = 1; };
          perms = [ { path = files; regx = "x"; mode = "755"; } { path = "${files}/tmp"; mode = "1777"; } ];
          layers = [ (buildLayer { deps = [ files ]; metadata = { Created_By = "me"; created = "now"; }; }) ]; }).drvPath"#,
        );
        for expected in [
            "nix2container.buildImage: contents: an old name of copyToRoot; write copyToRoot",
            "nix2container.buildImage: config.entrypoint: written as Entrypoint",
            "nix2container.buildImage: config.entrypoint: found a string, expected a list",
            "nix2container.buildImage: config.Foo: left out",
            "nix2container.buildImage: perms.regx: left out",
            "-files/tmp is not a store path; write the part below it in regex",
            "nix2container.buildLayer: metadata.created: left out",
        ] {
            assert_eq!(said.matches(expected).count(), 1, "{expected}: {said}");
        }
    }
}

#[test]
fn images_are_pulled_by_digest_or_manifest() {
    let (registry, images) = (Registry::start(), MadeImages::new());
    let layer =
        MadeLayer::gzip(&support::tar(&[("etc/base", b"base"), ("etc/passwd", b"root:x:0:0::/:/bin/sh\n")]));
    let image = images.image("linux/amd64", &[layer], json!({ "config": { "Env": ["BASE=1"] } }));
    let other = images.image("linux/arm64", &[MadeLayer::file("etc/base", "arm")], json!({}));
    let index = images.index(&[image.clone(), other]);
    let host = registry.host();
    let digest = images.push(&host, "1", index, &["--all"]);
    let base = format!("imageName = \"{host}/team/app\"; imageDigest = \"{digest}\"; arch = \"amd64\";");
    let with_base = |base: &str| {
        format!(
            r#"buildImage {{ name = "x"; arch = "amd64"; fromImage = {base}; copyToRoot = environment pkgs.bash;
              config.entrypoint = [ "/bin/bash" "-c" "echo $BASE; read line < /etc/base; echo $line" ]; }}"#
        )
    };
    let check = |archive: &Path| {
        let container = Container::load(archive);
        // The base's configuration is not inherited.
        assert_eq!(container.run(&[]).ok(), "\nbase");
    };

    let [plain, plugin] = modes();
    let sha256 = "sha256 = \"sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\";";
    let pull = format!("pullImage {{ {base} {sha256} }}");
    check(&built(&plugin, &with_base(&format!("({pull})"))));
    let said = warnings(&plugin, &format!("({pull}).drvPath"));
    assert!(said.contains("nix2container.pullImage: sha256: left out"), "{said}");
    let error = eval(&plain, &format!("({pull}).drvPath")).err();
    let expected = format!("`gantry prefetch --hash {host}/team/app@{digest}`");
    assert!(
        error.contains("nix2container.pullImage: sha256: without the plugin a hash is needed")
            && error.contains(&expected),
        "{error}"
    );
    // What the error says to do.
    let reference = format!("{host}/team/app@{digest}");
    let printed = output(
        &support::gantry().display().to_string(),
        &["prefetch", "--hash", "--arch", "amd64", &reference],
    );
    let hash = printed.lines().find(|line| line.trim_start().starts_with("hash = ")).expect("a hash");
    check(&built(&plain, &with_base(&format!("(pullImage {{ {base} {sha256} {hash} }})"))));

    // The manifest by getManifest, which is nix2container's way to make the file.
    let from = |file: &str| {
        format!(
            "(pullImageFromManifest {{ imageName = \"team/app\"; registryUrl = \"{host}\"; imageTag = \"1\"; arch = \"amd64\"; tlsVerify = false; imageManifest = {file}; }})"
        )
    };
    let script = built(&plain, &format!("{}.getManifest", from("null")));
    let text = fs::read_to_string(script.join("bin/get-manifest")).expect("a script");
    let (_, script) = text.split_once('\n').expect("lines");
    let kept = plain.folder().join("manifest.json");
    let printed = run(Command::new("bash").args(["-c", script])).ok();
    fs::write(&kept, printed).expect("a file");
    for nix in [&plain, &plugin] {
        check(&built(nix, &with_base(&from(&kept.display().to_string()))));
    }
    let digests = value(&plain, &format!("{}.imageDigest", from(&kept.display().to_string())));
    assert_eq!(digests, support::digest_of(&image));

    for (document, expected) in [
        (json!({ "manifests": [] }), "is an index of images for several platforms"),
        (json!({ "config": {}, "layers": [] }), "is not the manifest of an image"),
        (
            json!({ "config": { "digest": "sha256:../x", "size": 1 }, "layers": [] }),
            "is not the manifest of an image",
        ),
    ] {
        fs::write(&kept, document.to_string()).expect("a file");
        for nix in [&plain, &plugin] {
            let error = eval(nix, &format!("{}.drvPath", from(&kept.display().to_string()))).err();
            assert!(error.contains("manifest: ") && error.contains(expected), "{error}");
        }
    }
}
