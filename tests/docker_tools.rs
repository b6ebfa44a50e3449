//! `nix/docker-tools.nix` in place of nixpkgs' dockerTools: what the tests of that require (docs/docker-tools.md
//! has them by number), on images that are built, loaded as `docker load` does, and run.
//!
//! nixpkgs is tests/docker-tools/pkgs.nix, of Debian's programs. Where nothing else is said, there is no plugin.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use support::{
    Container, MadeImages, MadeLayer, Nix, Ran, Registry, gantry_package, look, output, quoted, run,
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

/// An expression that knows `pkgs`, `gantry`, `dockerTools` and its `examples`.
fn with_tools(expression: &str) -> String {
    format!(
        r#"let
  pkgs = import {pkgs} {{ programs = {programs}; }};
  gantry = {gantry};
  dockerTools = import {tools} {{ inherit pkgs gantry; }};
  inherit (dockerTools) examples;
in
{expression}"#,
        pkgs = quoted(&manifest().join("tests/docker-tools/pkgs.nix")),
        programs = quoted(programs()),
        gantry = gantry_package(),
        tools = quoted(&manifest().join("nix/docker-tools.nix")),
    )
}

/// A value, as JSON.
#[track_caller]
fn value(nix: &Nix, expression: &str) -> Value {
    support::json(&nix.eval(&with_tools(expression)).ok())
}

#[track_caller]
fn text(nix: &Nix, expression: &str) -> String {
    value(nix, expression).as_str().expect("a string").to_owned()
}

/// The error of an expression that cannot be evaluated.
#[track_caller]
fn error(nix: &Nix, expression: &str) -> String {
    nix.eval(&with_tools(expression)).err()
}

/// Builds something; where it really is.
#[track_caller]
fn built(nix: &Nix, expression: &str) -> PathBuf {
    nix.built(&with_tools(expression))
}

/// The archive that a stream writes.
#[track_caller]
fn streamed(nix: &Nix, expression: &str, arguments: &str) -> PathBuf {
    let path = run(nix.command("nix-build").args(["--no-out-link", "--expr", &with_tools(expression)])).ok();
    let number = fs::read_dir(nix.folder().path()).expect("a folder").count();
    let archive = nix.folder().join(format!("stream-{number}.tar"));
    run(&mut nix.in_store(&format!("{path} {arguments} > {}", archive.display()))).ok();
    archive
}

/// Builds and loads an example.
#[track_caller]
fn load(nix: &Nix, example: &str) -> Container {
    Container::load(&built(nix, &format!("examples.{example}")))
}

/// Runs the stream of an example, and loads what it writes.
#[track_caller]
fn load_stream(nix: &Nix, example: &str) -> Container {
    Container::load(&streamed(nix, &format!("examples.{example}"), ""))
}

/// `RepoTags` of all images in an archive that may be compressed.
#[track_caller]
fn repo_tags(archive: &Path) -> Vec<String> {
    let documents = support::json(&member(archive, "manifest.json"));
    let images = documents.as_array().expect("a list");
    let tags = images.iter().flat_map(|image| image["RepoTags"].as_array().expect("a list"));
    tags.map(|tag| tag.as_str().expect("a name").to_owned()).collect()
}

/// A member of an archive, by GNU tar, which looks at the beginning to know the compression.
#[track_caller]
fn member(archive: &Path, name: &str) -> String {
    output("tar", &["-xOf", archive.to_str().expect("UTF-8"), name])
}

/// The names of what is in a directory.
#[track_caller]
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// The names of an image's store paths, without their hashes.
#[track_caller]
fn store_names(container: &Container) -> Vec<String> {
    let mut names: Vec<String> =
        names(&container.root.join("nix/store")).iter().map(|name| name[33..].to_owned()).collect();
    names.sort();
    names
}

/// Every example evaluates, with all that its derivations need.
fn assert_all_evaluate(nix: &Nix) {
    let drvs = value(nix, "builtins.mapAttrs (_: image: image.drvPath) examples");
    assert!(drvs.as_object().expect("a set").len() > 60, "{drvs}");
}

mod evaluation {
    use super::*;

    #[test]
    fn all_examples_evaluate_without_the_plugin() {
        assert_all_evaluate(&Nix::without_plugin());
    }

    #[test]
    fn all_examples_evaluate_with_the_plugin() {
        assert_all_evaluate(&Nix::new());
    }

    #[test]
    fn everything_that_nixpkgs_documents_is_there() {
        let nix = Nix::without_plugin();
        let names = value(&nix, "builtins.attrNames dockerTools");
        for name in [
            "buildImage",
            "buildLayeredImage",
            "streamLayeredImage",
            "pullImage",
            "exportImage",
            "mergeImages",
            "buildImageWithNixDb",
            "buildLayeredImageWithNixDb",
            "buildNixShellImage",
            "streamNixShellImage",
            "shadowSetup",
            "usrBinEnv",
            "binSh",
            "caCertificates",
            "fakeNss",
            "mergeDrvs",
            "shellScript",
            "examples",
        ] {
            assert!(names.as_array().expect("a list").contains(&json!(name)), "{name}");
        }
    }

    #[test]
    fn results_have_the_attributes_that_nixpkgs_gives_them() {
        let nix = Nix::without_plugin();
        let shown = value(
            &nix,
            r#"with examples; {
              image = [ bash.imageName bash.imageTag bash.buildArgs.name bash.layer.type ];
              layered = [ layered-image.imageName layered-image.imageTag layered-image.stream.isExe ];
              stream = [ helloOnRoot.isExe helloOnRoot.conf.type helloOnRoot.streamScript.type ];
              overridden = [
                (bash.override { tag = "other"; }).imageRef
                (layered-image.override { name = "other"; }).imageRef
                (helloOnRoot.override (old: { name = old.name + "-2"; })).imageRef
              ];
              passed =
                let x = dockerTools.streamLayeredImage { name = "x"; passthru.mine = 1; meta.description = "d"; };
                in [ x.mine x.meta.description ];
            }"#,
        );
        assert_eq!(shown["image"], json!(["bash", "latest", "bash", "derivation"]));
        assert_eq!(shown["layered"], json!(["layered-image", "latest", true]));
        assert_eq!(shown["stream"], json!([true, "derivation", "derivation"]));
        assert_eq!(shown["overridden"], json!(["bash:other", "other:latest", "hello-2:latest"]));
        assert_eq!(shown["passed"], json!([1, "d"]));
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
            (
                r#"(dockerTools.buildLayeredImage { name = "x"; compressor = "lz4"; }).drvPath"#,
                r#"found "lz4""#,
            ),
            ("(dockerTools.mergeImages [ ]).drvPath", "one image or more"),
            (
                "(dockerTools.mergeImages [ examples.bash examples.helloOnRoot ]).drvPath",
                "use buildLayeredImage",
            ),
            ("examples.bash.overrideAttrs (_: { })", ".override { ... }"),
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
    fn layering_pipelines_come_as_lists_and_as_files() {
        let nix = Nix::without_plugin();
        let paths = value(
            &nix,
            r#"let
              pipeline = [ [ "popularity_contest" ] [ "limit_layers" 3 ] ];
              of = layeringPipeline: (dockerTools.buildLayeredImage {
                name = "x"; contents = pkgs.hello; inherit layeringPipeline;
              }).drvPath;
            in [ (of pipeline) (of (builtins.toFile "pipeline.json" (builtins.toJSON pipeline))) ]"#,
        );
        assert_eq!(paths[0], paths[1]);
    }

    #[test]
    fn pull_image_with_a_hash_is_the_same_derivation_with_and_without_the_plugin() {
        let pulled =
            r#"let image = examples.nixFromDockerHub; in [ image.outPath image.imageName image.imageTag ]"#;
        let (without, with) = (value(&Nix::without_plugin(), pulled), value(&Nix::new(), pulled));
        assert_eq!(without, with);
        assert!(without[0].as_str().expect("a path").ends_with("-docker-image-nix-2.2.1.tar"), "{without}");
        assert_eq!((&without[1], &without[2]), (&json!("nix"), &json!("2.2.1")));
    }
}

mod store {
    use super::*;

    #[test]
    fn without_store_paths_nothing_runs_and_no_entry_is_exported() {
        let nix = Nix::without_plugin();
        for example in ["helloOnRootNoStore", "helloOnRootNoStoreFakechroot"] {
            let container = load_stream(&nix, example);
            assert_ne!(container.run(&[]).code, Some(0), "{example}");
            assert!(!names(&container.root).contains(&"nix".to_string()), "{example}");
        }
    }

    #[test]
    fn without_store_paths_it_runs_on_the_hosts_store() {
        let nix = Nix::without_plugin();
        for example in ["helloOnRootNoStore", "helloOnRootNoStoreFakechroot"] {
            let container = load_stream(&nix, example);
            let hello = built(&nix, "pkgs.hello");
            assert!(hello.exists());
            let mount = format!(
                r#"mkdir -p "$root/nix/store"; mount --bind {} "$root/nix/store"
                    mount -o remount,bind,ro "$root/nix/store""#,
                nix.real("/nix/store").display()
            );
            assert_eq!(run(&mut container.command_with(&mount, &[])).ok(), "Hello, world!", "{example}");
        }
    }

    #[test]
    fn users_who_are_not_root_run_programs_of_the_store() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "bashLayeredWithUser");
        assert_eq!(container.stat("nix"), "755 0:0");
        assert_eq!(container.stat("nix/store"), "755 0:0");
        assert_eq!(container.sh("id -u; id -g; whoami").ok(), "1000\n1000\nsomebody");
    }

    #[test]
    fn a_user_by_number_runs_on_an_overlay() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "bash.override { config.User = \"1000:1000\"; }");
        let overlay = r#"over=$(dirname "$root")/over; mkdir "$over"; mount -t tmpfs tmpfs "$over"; cd "$over"
            mkdir upper work merged
            mount -t overlay overlay -o lowerdir="$root",upperdir=upper,workdir=work merged
            mount --bind merged "$root""#;
        let ran = run(&mut container.command_with(overlay, &["/bin/bash", "-c", "id -u; ls / | grep nix"]));
        assert_eq!(ran.ok(), "1000\nnix");
    }

    #[test]
    fn two_layered_images_share_layers() {
        let nix = Nix::without_plugin();
        let (one, another) = (load(&nix, "layered-image"), load(&nix, "another-layered-image"));
        assert!(one.diff_ids().iter().any(|id| another.diff_ids().contains(id)));
    }

    #[test]
    fn two_layers_are_enough() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "two-layered-image");
        assert_eq!(container.diff_ids().len(), 2);
        assert_eq!(container.run(&["/bin/hello"]).ok(), "Hello, world!");
    }

    #[test]
    fn a_closure_of_more_paths_than_layers_loses_nothing() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "bulk-layer");
        assert_eq!(container.diff_ids().len(), 2);
        assert_eq!(container.sh("hello && env true").ok(), "Hello, world!");
        let nginx = container.run(&["/bin/nginx", "-v"]);
        assert!(nginx.stderr.contains("nginx version"), "{nginx:?}");
    }

    #[test]
    fn layers_of_the_base_count() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "layered-bulk-layer");
        assert_eq!(container.diff_ids().len(), 4);
        assert_eq!(container.run(&["/bin/hello"]).ok(), "Hello, world!");
    }

    #[test]
    fn an_image_has_the_store_paths_that_it_needs_and_no_others() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "no-store-paths");
        assert_eq!(store_names(&container), ["busybox"]);
        assert_eq!(container.run(&["/bin/busybox", "cat", "/text"]).ok(), "no path in here");
    }

    #[test]
    fn what_only_a_script_in_the_contents_names_is_there_and_intact() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "filesInStore");
        assert_eq!(container.run(&[]).ok(), "some data");
        container.run(&["/bin/nix-store", "--verify", "--check-contents"]).ok();
    }

    #[test]
    fn a_store_path_that_is_a_link_stays_one() {
        let nix = Nix::without_plugin();
        let link = text(&nix, "\"${examples.layeredStoreSymlink.passthru.link}\"");
        let target = text(&nix, "\"${examples.layeredStoreSymlink.passthru.target}\"");
        let container = load(&nix, "layeredStoreSymlink");
        let found = fs::read_link(container.root.join(&link[1..])).expect("a link");
        assert_eq!(found, Path::new(&target));
        assert_eq!(container.sh("echo $(< /dir/target)").ok(), "Content doesn't matter.");
    }

    #[test]
    fn links_in_the_store_stay_as_they_are() {
        let nix = Nix::without_plugin();
        for example in ["nix", "nixLayered"] {
            let container = load(&nix, example);
            let package = text(&nix, "\"${pkgs.nix}\"");
            let link = container.root.join(&package[1..]).join("bin/nix-daemon");
            assert_eq!(fs::read_link(link).expect("a link"), Path::new("nix"), "{example}");
        }
    }

    #[test]
    fn store_paths_may_belong_to_somebody_else() {
        let nix = Nix::without_plugin();
        let archive = streamed(&nix, "examples.nonRootTestImage", "");
        assert_eq!(Container::load(&archive).run(&[]).ok(), "1000:1000");
        let image = look(&archive);
        let store: Vec<_> = image.layers.iter().flat_map(|layer| &layer.members).collect();
        for member in store.iter().filter(|member| member.name.starts_with("nix")) {
            let owner = (member.uid, member.gid, &member.uname[..], &member.gname[..]);
            assert_eq!(owner, (1000, 1000, "user", "user"), "{}", member.name);
        }
    }
}

mod contents {
    use super::*;

    #[test]
    fn programs_are_found_on_dockers_usual_path() {
        let nix = Nix::without_plugin();
        assert_eq!(load_stream(&nix, "helloOnRoot").run(&[]).ok(), "Hello, world!");
        assert_eq!(load(&nix, "bash").run(&["bash", "-c", "echo $((6 * 7))"]).ok(), "42");
    }

    #[test]
    fn the_command_may_be_a_store_path_beside_files_of_extra_commands() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "layered-image");
        assert_eq!(container.run(&[]).ok(), "Hello, world!");
        assert_eq!(container.run(&["cat", "/extraCommands"]).ok(), "from extraCommands");
    }

    #[test]
    fn source_directories_are_copied_and_linked() {
        let nix = Nix::without_plugin();
        assert_eq!(load(&nix, "build-image-with-path").run(&[]).ok(), "Hello from a file");
        assert_eq!(load_stream(&nix, "layered-image-with-path").run(&[]).ok(), "Hello from a file");
        fs::create_dir(nix.folder().join("source")).expect("a directory");
        let source = nix.folder().write("source/hello.txt", "from a source");
        let source = source.parent().expect("a directory").display();
        for arguments in [format!("copyToRoot = {source};"), format!("copyToRoot = [ {source} ];")] {
            let image = built(&nix, &format!("dockerTools.buildImage {{ name = \"x\"; {arguments} }}"));
            assert_eq!(Container::load(&image).text("hello.txt"), "from a source");
        }
    }

    #[test]
    fn later_items_of_copy_to_root_win_and_earlier_ones_of_contents() {
        let nix = Nix::without_plugin();
        let items = r#"(map (text: pkgs.writeTextDir "etc/which" text) [ "first" "second" "third" ])"#;
        let copied =
            built(&nix, &format!("dockerTools.buildImage {{ name = \"x\"; copyToRoot = {items}; }}"));
        assert_eq!(Container::load(&copied).text("etc/which"), "third");
        let linked =
            built(&nix, &format!("dockerTools.buildLayeredImage {{ name = \"x\"; contents = {items}; }}"));
        assert_eq!(Container::load(&linked).text("etc/which"), "first");
    }

    #[test]
    fn copies_are_files_and_links_to_directories_are_followed_unless_kept() {
        let nix = Nix::without_plugin();
        let image = |more: &str| {
            let expression = format!(
                r#"dockerTools.buildImage {{ name = "x"; {more}
                  copyToRoot = pkgs.runCommand "tree" {{ }} "mkdir -p $out/real; echo 1 > $out/real/a; ln -s real $out/linked"; }}"#
            );
            Container::load(&built(&nix, &expression))
        };
        let followed = image("");
        assert!(followed.root.join("linked").symlink_metadata().expect("there").is_dir());
        assert_eq!(followed.text("linked/a"), "1\n");
        let kept = image("keepContentsDirlinks = true;");
        assert!(kept.root.join("linked").symlink_metadata().expect("there").is_symlink());
    }

    #[test]
    fn uid_and_gid_of_build_image_are_the_owners_of_its_contents_alone() {
        let nix = Nix::without_plugin();
        let container = load(
            &nix,
            "bash.override { uid = 1000; gid = 100; extraCommands = \"mkdir made\"; config.Cmd = [ \"${pkgs.hello}/bin/hello\" ]; }",
        );
        assert_eq!(container.stat("bin/bash"), "555 1000:100");
        assert_eq!(container.stat("made"), "755 1000:100");
        let hello = text(&nix, "\"${pkgs.hello}\"");
        assert_eq!(container.stat(&hello), "555 0:0");
    }

    #[test]
    fn certificates_are_in_all_three_places() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "image-with-certs");
        for file in [
            "etc/ssl/certs/ca-bundle.crt",
            "etc/ssl/certs/ca-certificates.crt",
            "etc/pki/tls/certs/ca-bundle.crt",
        ] {
            let read = container.run(&["/bin/cat", &format!("/{file}")]).ok();
            assert!(read.starts_with("-----BEGIN CERTIFICATE-----"), "{file}: {read}");
        }
    }

    #[test]
    fn users_shells_and_env_are_packages() {
        let nix = Nix::without_plugin();
        let container = Container::load(&built(
            &nix,
            r#"dockerTools.buildLayeredImage { name = "x"; config.User = "app"; contents = [
                 dockerTools.binSh dockerTools.usrBinEnv pkgs.coreutils
                 (dockerTools.fakeNss.override {
                   extraPasswdLines = [ "app:x:7:8::/:/bin/sh" ]; extraGroupLines = [ "app:x:8:" ];
                 }) ]; }"#,
        ));
        let script = "/usr/bin/env true && id -un && id -gn && cat /etc/nsswitch.conf";
        assert_eq!(container.run(&["/bin/sh", "-c", script]).ok(), "app\napp\nhosts: files dns");
        let passwd = container.text("etc/passwd");
        assert!(passwd.starts_with("root:x:0:0:") && passwd.contains("\nnobody:x:65534:65534:"), "{passwd}");
        assert!(container.root.join("var/empty").exists());
    }

    #[test]
    fn merged_derivations_are_one_tree() {
        let nix = Nix::without_plugin();
        let merged = built(
            &nix,
            r#"dockerTools.mergeDrvs { derivations = [
                 (pkgs.writeTextDir "a/one" "1") (pkgs.writeTextDir "a/two" "2") ]; }"#,
        );
        assert_eq!(names(&merged.join("a")), ["one", "two"]);
    }
}

mod configuration {
    use super::*;

    #[test]
    fn the_image_is_of_1970_unless_it_is_of_now() {
        let nix = Nix::without_plugin();
        assert_eq!(load(&nix, "bash").document["created"], "1970-01-01T00:00:01Z");
        for example in ["unstableDate", "unstableDateLayered"] {
            let created = load(&nix, example).document["created"].as_str().expect("a time").to_owned();
            assert!(&created[..4] >= "2024", "{example}: {created}");
        }
    }

    #[test]
    fn image_tag_is_the_tag_of_the_archive() {
        let nix = Nix::without_plugin();
        for (example, name) in [
            ("bash", "bash"),
            ("bashNoTag", "bash-no-tag"),
            ("bashNoTagLayered", "bash-no-tag-layered"),
            ("nixLayered", "nix-layered"),
        ] {
            let tag = text(&nix, &format!("examples.{example}.imageTag"));
            let archive = built(&nix, &format!("examples.{example}"));
            assert_eq!(repo_tags(&archive), [format!("{name}:{tag}")], "{example}");
            if example.contains("NoTag") {
                assert!(tag.len() == 32 && tag.bytes().all(|b| b.is_ascii_alphanumeric()), "{tag}");
            }
        }
        let tag = text(&nix, "examples.bashNoTagStreamLayered.imageTag");
        let archive = streamed(&nix, "examples.bashNoTagStreamLayered", "");
        assert_eq!(repo_tags(&archive), [format!("bash-no-tag-stream-layered:{tag}")]);
    }

    #[test]
    fn a_stream_takes_another_name_and_tag() {
        let nix = Nix::without_plugin();
        for option in ["--repo_tag other:2", "-t other:2"] {
            let archive = streamed(&nix, "examples.helloOnRoot", option);
            assert_eq!(repo_tags(&archive), ["other:2"], "{option}");
        }
    }

    #[test]
    fn the_stream_script_writes_what_the_stream_writes() {
        let nix = Nix::without_plugin();
        let plain = fs::read(streamed(&nix, "examples.helloOnRoot", "")).expect("an archive");
        let conf = run(nix
            .command("nix-build")
            .args(["--no-out-link", "--expr"])
            .arg(with_tools("examples.helloOnRoot.conf")))
        .ok();
        let by_script =
            fs::read(streamed(&nix, "examples.helloOnRoot.streamScript", &conf)).expect("an archive");
        assert!(plain == by_script);
    }

    #[test]
    fn a_registry_in_the_name_stays() {
        let nix = Nix::without_plugin();
        for (example, name) in [
            ("prefixedImage", "registry-1.docker.io/image:latest"),
            ("prefixedLayeredImage", "registry-1.docker.io/layered-image:latest"),
        ] {
            assert_eq!(repo_tags(&built(&nix, &format!("examples.{example}"))), [name]);
            assert_eq!(load(&nix, example).run(&[]).ok(), "Hello, world!");
        }
    }

    #[test]
    fn names_are_in_lower_case() {
        let nix = Nix::without_plugin();
        let archive = built(&nix, "examples.runAsRootExtraCommands");
        assert_eq!(repo_tags(&archive), ["runasrootextracommands:latest"]);
    }

    #[test]
    fn the_architecture_is_what_was_asked_for() {
        let nix = Nix::without_plugin();
        assert_eq!(load(&nix, "build-image-with-architecture").document["architecture"], "arm64");
        assert_eq!(load_stream(&nix, "layered-image-with-architecture").document["architecture"], "arm64");
    }

    #[test]
    fn the_architecture_is_the_targets() {
        let nix = Nix::without_plugin();
        let expected = if cfg!(target_arch = "aarch64") { "amd64" } else { "arm64" };
        assert_eq!(load(&nix, "cross").document["architecture"], expected);
        let layered = r#"let target = pkgs.pkgsCross.aarch64-multiplatform; in
            (import NIX/docker-tools.nix { pkgs = target; inherit gantry; }).buildLayeredImage {
              name = "x"; contents = target.hello; }"#
            .replace("NIX", &manifest().join("nix").display().to_string());
        assert_eq!(Container::load(&built(&nix, &layered)).document["architecture"], "arm64");
    }

    #[test]
    fn archives_are_compressed_as_asked_for() {
        let nix = Nix::without_plugin();
        for (example, magic, suffix) in [
            ("bash", &[0x1f, 0x8b][..], ".tar.gz"),
            ("bashUncompressed", b"blobs", ".tar"),
            ("bashZstdCompressed", &[0x28, 0xb5, 0x2f, 0xfd], ".tar.zst"),
            ("layered-image", &[0x1f, 0x8b], ".tar.gz"),
            ("bashLayeredUncompressed", b"blobs", ".tar"),
            ("bashLayeredZstdCompressed", &[0x28, 0xb5, 0x2f, 0xfd], ".tar.zst"),
        ] {
            let archive = built(&nix, &format!("examples.{example}"));
            assert!(archive.to_str().expect("UTF-8").ends_with(suffix), "{}", archive.display());
            let bytes = fs::read(&archive).expect("an archive");
            assert!(bytes.starts_with(magic) || suffix == ".tar", "{example}: {:?}", &bytes[..8]);
            assert_eq!(
                Container::load(&archive).run(&["/bin/bash", "-c", "echo runs"]).ok(),
                "runs",
                "{example}"
            );
        }
    }
}

mod bases {
    use super::*;

    /// A registry with a made image, and the call that pulls it as `nix:2.2.1`.
    fn pulled(registry: &Registry, images: &MadeImages) -> String {
        let layer = MadeLayer::file("etc/pulled", "from a registry");
        let image = images.image("linux/amd64", &[layer], json!({ "config": { "Env": ["PULLED=1"] } }));
        let digest = images.push(&registry.host(), "one", image, &[]);
        let archive = images.folder.join("archive.tar");
        output(
            "skopeo",
            &[
                "--insecure-policy",
                "copy",
                "-q",
                "--src-tls-verify=false",
                &format!("docker://{}/team/app@{digest}", registry.host()),
                &format!("docker-archive:{}:nix:2.2.1", archive.display()),
            ],
        );
        let hash = output("sha256sum", &[&archive]);
        format!(
            r#"(dockerTools.pullImage {{ imageName = "{}/team/app"; imageDigest = "{digest}"; sha256 = "{}";
                arch = "amd64"; tlsVerify = false; finalImageName = "nix"; finalImageTag = "2.2.1"; }})"#,
            registry.host(),
            &hash[..64]
        )
    }

    #[test]
    fn a_pulled_image_has_its_final_name_and_tag() {
        let (nix, registry, images) = (Nix::without_plugin(), Registry::start(), MadeImages::new());
        let archive = built(&nix, &pulled(&registry, &images));
        // skopeo's way to write it.
        assert_eq!(repo_tags(&archive), ["docker.io/library/nix:2.2.1"]);
        assert_eq!(Container::load(&archive).text("etc/pulled"), "from a registry");
    }

    #[test]
    fn a_pulled_image_is_a_base() {
        let (nix, registry, images) = (Nix::without_plugin(), Registry::start(), MadeImages::new());
        let archive = built(
            &nix,
            &format!(
                "examples.onTopOfPulledImage.override {{ fromImage = {}; }}",
                pulled(&registry, &images)
            ),
        );
        assert_eq!(repo_tags(&archive), ["ontopofpulledimage:latest"]);
        let container = Container::load(&archive);
        assert_eq!(container.text("etc/pulled"), "from a registry");
        assert_eq!(container.run(&["/bin/hello"]).ok(), "Hello, world!");
        assert_eq!(container.config()["Env"], json!(["PULLED=1"]));
    }

    #[test]
    fn one_image_and_a_layered_one_on_top_of_a_layered_one() {
        let nix = Nix::without_plugin();
        for example in ["layered-on-top", "layered-on-top-layered"] {
            let container = load(&nix, example);
            assert_eq!(container.config()["WorkingDir"], "/example-output", "{example}");
            assert_eq!(container.stat("example-output"), "777 0:0", "{example}");
            assert_eq!(container.run(&[]).ok(), "hello", "{example}");
            assert_eq!(container.run(&["cat", "/extraCommands"]).ok(), "from extraCommands", "{example}");
        }
    }

    #[test]
    fn layers_of_bases_are_below_in_their_order() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "layersOrder");
        let read = container.run(&["cat", "/tmp/layer1", "/tmp/layer2", "/tmp/layer3", "/tmp/last"]);
        assert_eq!(read.ok(), "layer1\nlayer2\nlayer3\nlayer3");
    }

    #[test]
    fn commands_as_root_find_the_bases_layers_in_their_order() {
        let nix = Nix::without_plugin();
        assert_eq!(load(&nix, "layersUnpackOrder").text("layer-order"), "abc");
    }

    #[test]
    fn a_base_may_have_a_layer_twice() {
        let nix = Nix::without_plugin();
        let images = MadeImages::new();
        let layers = [MadeLayer::file("a", "1"), MadeLayer::file("b", "2"), MadeLayer::file("a", "1")];
        images.tag("one", images.image("linux/amd64", &layers, json!({})));
        let base = nix.folder().join("base.tar");
        fs::write(&base, images.archive()).expect("an archive");
        let image = format!(
            "dockerTools.buildImage {{ name = \"x\"; fromImage = {}; copyToRoot = pkgs.hello; }}",
            base.display()
        );
        let container = Container::load(&built(&nix, &image));
        assert_eq!(container.diff_ids().len(), 5);
        assert_eq!((container.text("a"), container.text("b")), ("1".into(), "2".into()));
        assert_eq!(container.run(&["/bin/hello"]).ok(), "Hello, world!");
    }

    #[test]
    fn variables_are_inherited_and_the_last_value_wins() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "environmentVariables");
        let env = container.run(&["/bin/env"]).ok();
        for line in ["FROM_PARENT=true", "FROM_CHILD=true", "LAST_LAYER=child"] {
            assert!(env.lines().any(|found| found == line), "{line}: {env}");
        }
    }

    #[test]
    fn a_variable_is_once_in_the_configuration_that_the_manifest_names() {
        let nix = Nix::without_plugin();
        let archive = built(&nix, "examples.environmentVariablesLayered");
        let documents = support::json(&member(&archive, "manifest.json"));
        let config = documents[0]["Config"].as_str().expect("a name");
        let config = support::json(&member(&archive, config));
        let mut env: Vec<&str> = config["config"]["Env"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|v| v.as_str().expect("text"))
            .collect();
        env.sort_unstable();
        assert_eq!(env, ["FROM_CHILD=true", "FROM_PARENT=true", "LAST_LAYER=child"]);
        let env = Container::load(&archive).run(&["/bin/env"]).ok();
        assert!(env.contains("LAST_LAYER=child") && env.contains("FROM_PARENT=true"), "{env}");
    }
}

mod commands {
    use super::*;

    #[test]
    fn commands_as_root_and_without_both_take_effect() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "runAsRootExtraCommands");
        assert_eq!(container.run(&[]).ok(), "(runAsRoot: 2 'quoted')\n(extraCommands: 3 'quoted')");
    }

    #[test]
    fn owners_that_fake_root_gives_last() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "layeredImageWithFakeRootCommands");
        assert_eq!(container.stat("home/alice"), "755 1000:0");
        assert_eq!(container.run(&["/bin/busybox", "stat", "-c", "%u", "/home/alice"]).ok(), "1000");
    }

    #[test]
    fn store_paths_that_only_commands_lead_to_are_in_the_image() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "layeredImageWithFakeRootCommands");
        assert_eq!(container.run(&["/home/alice/hello"]).ok(), "Hello, world!");
    }

    #[test]
    fn absolute_paths_work_in_a_fake_chroot() {
        let nix = Nix::without_plugin();
        assert_eq!(load_stream(&nix, "imageViaFakeChroot").run(&[]).ok(), "Hello, world!");
    }

    #[test]
    fn owners_that_a_fake_chroot_gives_last() {
        let nix = Nix::without_plugin();
        assert_eq!(load_stream(&nix, "chownTestImage").run(&[]).ok(), "12345:12345");
    }

    #[test]
    fn nothing_of_the_machine_is_left_by_a_fake_chroot() {
        let nix = Nix::without_plugin();
        let container = load_stream(&nix, "chownTestImage");
        for directory in ["dev", "proc", "sys", "build"] {
            let path = container.root.join(directory);
            assert!(!path.exists() || names(&path).is_empty(), "{directory}: {:?}", names(&path));
        }
    }

    #[test]
    fn the_activation_of_etc_runs_in_a_fake_chroot() {
        let nix = Nix::without_plugin();
        assert_eq!(load_stream(&nix, "etc").run(&[]).ok(), "127.0.0.1 localhost");
    }

    #[test]
    fn a_command_that_fails_fails_the_build() {
        let nix = Nix::without_plugin();
        for (function, argument) in [
            ("buildImage", "extraCommands"),
            ("buildImage", "runAsRoot"),
            ("buildLayeredImage", "extraCommands"),
            ("buildLayeredImage", "fakeRootCommands"),
        ] {
            let image = format!("dockerTools.{function} {{ name = \"x\"; {argument} = \"false\\ntrue\"; }}");
            let ran: Ran =
                run(nix.command("nix-build").args(["--no-out-link", "--expr", &with_tools(&image)]));
            assert!(ran.err().contains(argument), "{function} {argument}");
        }
    }

    #[test]
    fn redis_runs_as_the_user_that_shadow_made() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "redis");
        let redis = container.text("etc/passwd");
        let redis = redis.lines().find(|line| line.starts_with("redis:")).expect("a user");
        let ids: Vec<&str> = redis.split(':').skip(2).take(2).collect();
        assert_eq!(container.stat("data"), format!("755 {}", ids.join(":")));
        let script =
            "redis-server --save '' > log & for i in $(seq 50); do redis-cli ping && break; sleep 0.1; done
            id -u; redis-cli shutdown nosave; wait";
        let shell = text(&nix, "pkgs.runtimeShell");
        assert_eq!(container.run(&[&shell, "-c", script]).ok(), format!("PONG\n{}", ids[0]));
    }

    #[test]
    fn nginx_serves() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "nginx");
        assert_eq!(container.config()["ExposedPorts"], json!({ "80/tcp": {} }));
        // The server inside, the client outside, in one network.
        let client = r#"(for i in $(seq 50); do
              busybox wget -qO- http://127.0.0.1/ 2>/dev/null && break; sleep 0.1
            done > "$root/answer"; kill $$) &"#;
        let ran = run(&mut container.command_with(client, &[]));
        let answer = container.text("answer");
        assert!(answer.contains("Hello from NGINX"), "{answer:?} {ran:?}");
    }
}

mod several_images {
    use super::*;

    #[test]
    fn merged_archives_have_all_images_and_tags() {
        let nix = Nix::without_plugin();
        let archive = built(&nix, "examples.mergedBashAndRedis");
        assert_eq!(repo_tags(&archive), ["bash:latest", "redis:latest"]);
        let bash = Container::load_named(&archive, "docker.io/library/bash:latest");
        assert_eq!(bash.sh("echo $((6 * 7))").ok(), "42");
        let redis = Container::load_named(&archive, "docker.io/library/redis:latest");
        assert!(redis.run(&["/bin/redis-server", "--version"]).ok().starts_with("Redis server v="));
    }

    #[test]
    fn merged_archives_have_automatic_tags() {
        let nix = Nix::without_plugin();
        let tag = text(&nix, "examples.bashNoTag.imageTag");
        let archive = built(&nix, "examples.mergedBashNoTagAndRedis");
        assert_eq!(repo_tags(&archive), [format!("bash-no-tag:{tag}"), "redis:latest".into()]);
        let bash = Container::load_named(&archive, &format!("docker.io/library/bash-no-tag:{tag}"));
        assert_eq!(bash.sh("echo $((6 * 7))").ok(), "42");
    }

    #[test]
    fn merged_archives_keep_owners() {
        let nix = Nix::without_plugin();
        let archive = built(&nix, "examples.mergedBashFakeRoot");
        let name = "docker.io/library/layered-image-with-fake-root-commands:latest";
        assert_eq!(Container::load_named(&archive, name).stat("home/alice"), "755 1000:0");
    }

    #[test]
    fn archives_of_any_compression_are_merged() {
        let nix = Nix::without_plugin();
        let archive = built(&nix, "examples.mergeVaryingCompressor");
        assert_eq!(repo_tags(&archive), ["bash:latest", "bash-uncompressed:latest", "bash-zstd:latest"]);
        for name in ["bash", "bash-uncompressed", "bash-zstd"] {
            let container = Container::load_named(&archive, &format!("docker.io/library/{name}:latest"));
            assert_eq!(container.sh("echo runs").ok(), "runs", "{name}");
        }
    }

    #[test]
    fn an_export_is_the_tar_of_the_file_system() {
        let nix = Nix::without_plugin();
        let tar = built(&nix, "examples.exportBash");
        let members = output("tar", &["-tf", tar.to_str().expect("UTF-8")]);
        assert!(members.lines().any(|member| member == "./bin/bash"), "{members}");
    }
}

mod nix_database {
    use super::*;

    #[test]
    fn nix_knows_the_store_of_its_image() {
        let nix = Nix::without_plugin();
        let (package, bash) = (text(&nix, "\"${pkgs.nix}\""), text(&nix, "\"${pkgs.bash}\""));
        for example in ["nix", "nixLayered"] {
            let container = load(&nix, example);
            let closure = container.run(&["/bin/nix-store", "-qR", &package]).ok();
            assert!(closure.lines().any(|path| path == package), "{example}: {closure}");
            let references = container.run(&["/bin/nix-store", "-q", "--references", &package]).ok();
            assert_eq!(
                references.lines().filter(|path| **path == *bash).count(),
                1,
                "{example}: {references}"
            );
        }
    }

    #[test]
    fn links_to_programs_lead_to_known_paths() {
        let nix = Nix::without_plugin();
        let container = load(&nix, "nixLayered");
        container.run(&["/bin/nix-store", "-q", "--references", "/bin/bash"]).ok();
    }
}

mod development_shells {
    use super::*;

    #[test]
    fn build_derivation_builds() {
        let nix = Nix::without_plugin();
        let container = load_stream(&nix, "nix-shell-basic");
        let rc = container.config()["Cmd"][2].as_str().expect("a file").to_owned();
        let script = format!("source {rc}; buildDerivation && cat $out/result");
        let shell = container.config()["Cmd"][0].as_str().expect("a shell").to_owned();
        assert_eq!(container.run(&[&shell, "-c", &script]).ok(), "built");
        assert_eq!(load(&nix, "nix-shell-build-derivation").run(&[]).ok(), "built");
    }

    #[test]
    fn the_shell_hook_runs() {
        let nix = Nix::without_plugin();
        let ran = load_stream(&nix, "nix-shell-hook").run_on_terminal();
        assert!(ran.stdout.contains("This is the shell hook!"), "{ran:?}");
    }

    #[test]
    fn inputs_are_on_the_path() {
        let nix = Nix::without_plugin();
        let ran = load_stream(&nix, "nix-shell-inputs").run_on_terminal();
        assert!(ran.stdout.contains("Hello, world!"), "{ran:?}");
    }

    #[test]
    fn attributes_are_passed_as_files() {
        let nix = Nix::without_plugin();
        let ran = load_stream(&nix, "nix-shell-pass-as-file").run_on_terminal();
        assert!(ran.stdout.contains("this is a string"), "{ran:?}");
    }

    #[test]
    fn a_command_needs_a_terminal_and_a_run_does_not() {
        let nix = Nix::without_plugin();
        let ran = load_stream(&nix, "nix-shell-command").run_on_terminal();
        assert!(ran.stdout.contains("This shell is interactive"), "{ran:?}");
        assert_eq!(load_stream(&nix, "nix-shell-run").run(&[]).ok(), "This shell is not interactive");
    }

    #[test]
    fn the_home_directory_is_writable_or_need_not_be_there() {
        let nix = Nix::without_plugin();
        assert_eq!(load_stream(&nix, "nix-shell-writable-home").run(&[]).ok(), "writable home");
        assert_eq!(load_stream(&nix, "nix-shell-nonexistent-home").run(&[]).ok(), "no home");
    }

    #[test]
    fn the_user_owns_the_store() {
        let nix = Nix::without_plugin();
        let container = load_stream(&nix, "nix-shell-run");
        assert_eq!(container.config()["User"], "1000:1000");
        for directory in ["nix", "nix/store", "nix/var/nix", "etc/nix", "build"] {
            assert_eq!(container.stat(directory), "755 1000:1000", "{directory}");
        }
    }
}
