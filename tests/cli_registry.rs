//! `gantry prefetch`, `gantry pull` and, of what they leave behind, `gantry inspect`, against a real registry.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{
    Folder, MadeImages, MadeLayer, Nix, Ran, Registry, digest_of, gantry, look_at_others, output, run, sha256,
};

/// A registry with `team/app:one` for linux/amd64 and `team/app:multi` for several.
struct World {
    registry: Registry,
    images: MadeImages,
    folder: Folder,
    one: String,
    multi: String,
    arm64: String,
}

impl World {
    fn new() -> World {
        let (registry, images) = (Registry::start(), MadeImages::new());
        let of = |platform: &str| {
            let layers = [MadeLayer::file("etc/common", "common"), MadeLayer::file("etc/platform", platform)];
            images.image(platform, &layers, json!({ "config": { "Env": ["A=1"] } }))
        };
        let (amd64, arm64) = (of("linux/amd64"), of("linux/arm64/v8"));
        let one = images.push(&registry.host(), "one", amd64.clone(), &[]);
        let index = images.index(&[amd64, arm64.clone(), of("linux/arm/v7"), of("windows/amd64")]);
        let multi = images.push(&registry.host(), "multi", index, &[]);
        let folder = Folder::new();
        for name in ["work", "tmp"] {
            std::fs::create_dir(folder.join(name)).expect("a folder");
        }
        World { folder, arm64: digest_of(&arm64), registry, images, one, multi }
    }

    fn image(&self, tag: &str) -> String {
        format!("{}/team/app:{tag}", self.registry.host())
    }

    /// gantry, with no home but the test's, and all temporary files in `tmp`.
    fn gantry(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(gantry());
        command.args(arguments).env("TMPDIR", self.folder.join("tmp")).env("HOME", self.folder.join("home"));
        command.env_remove("REGISTRY_AUTH_FILE").current_dir(self.folder.join("work"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(&mut self.gantry(arguments))
    }

    /// What is left of the work, and of what was temporary.
    fn left(&self) -> Vec<String> {
        let mut names = Vec::new();
        for folder in ["work", "tmp"] {
            for entry in std::fs::read_dir(self.folder.join(folder)).expect("a folder") {
                names.push(entry.expect("an entry").file_name().into_string().expect("UTF-8"));
            }
        }
        names
    }

    fn work(&self, name: &str) -> PathBuf {
        self.folder.join("work").join(name)
    }

    /// skopeo's docker-archive of an image.
    #[track_caller]
    fn skopeo_archive(&self, digest: &str, name: &str, options: &[&str]) -> PathBuf {
        let file = self.folder.join("skopeo.tar");
        let _ = std::fs::remove_file(&file);
        run(Command::new("skopeo").arg("--insecure-policy").args(options).args([
            "copy",
            "-q",
            "--src-tls-verify=false",
            &format!("docker://{}/team/app@{digest}", self.registry.host()),
            &format!("docker-archive:{}:{name}", file.display()),
        ]))
        .ok();
        file
    }
}

fn sri(file: &Path) -> String {
    output(
        "nix",
        &["--extra-experimental-features", "nix-command", "hash", "file", file.to_str().expect("UTF-8")],
    )
}

/// A Nix expression's value, as Nix without the plugin sees it: `pullImage` is what `function` makes of it.
fn parsed(nix: &Nix, expression: &str, function: &str) -> Value {
    nix.folder().write("call.nix", expression);
    run(nix.command("nix-instantiate").args(["--parse", "call.nix"])).ok();
    let scoped = format!("builtins.scopedImport {{ builtins.pullImage = {function}; }} ./call.nix");
    let mut command = nix.command("nix-instantiate");
    let scoped = scoped.replace("./call.nix", &nix.folder().join("call.nix").display().to_string());
    support::json(&run(command.args(["--eval", "--strict", "--json", "--expr", &scoped])).ok())
}

mod prefetch {
    use super::*;

    #[test]
    fn the_call_is_nix_and_has_the_digest_of_now() {
        let (world, nix) = (World::new(), Nix::without_plugin());
        let printed = world.run(&["prefetch", &world.image("one"), "--arch", "amd64"]).ok();
        let host = world.registry.host();
        assert_eq!(
            parsed(&nix, &printed, "arguments: arguments"),
            json!({
                "imageName": format!("{host}/team/app"), "imageDigest": world.one, "arch": "amd64",
                "finalImageName": format!("{host}/team/app"), "finalImageTag": "one",
            })
        );
        assert!(printed.contains("# the manifest for linux/amd64"), "{printed}");
        // skopeo's.
        let said =
            output("skopeo", &["inspect", "--tls-verify=false", &format!("docker://{}", world.image("one"))]);
        assert_eq!(support::json(&said)["Digest"], world.one);
        assert_eq!(world.left(), Vec::<String>::new());
    }

    #[test]
    fn the_call_evaluates_and_builds_with_the_plugin() {
        let (world, nix) = (World::new(), Nix::new());
        for (arguments, digest) in [
            (&["one", "--arch", "amd64"][..], &world.one),
            (&["multi", "--arch", "arm64"], &world.arm64),
            (&["multi", "--arch", "arm64", "--manifest"], &world.arm64),
        ] {
            let image = world.image(arguments[0]);
            let printed = world.run(&[&["prefetch", &image], &arguments[1..]].concat()).ok();
            // Pure: nothing else is needed.
            let built =
                run(nix.command("nix").args(["build", "--no-link", "--json", "--expr", &printed])).ok();
            let path = support::json(&built)[0]["outputs"]["out"].as_str().expect("a path").to_string();
            let raw =
                run(&mut nix.in_store(&format!("skopeo inspect --raw oci:{path}:{}", arguments[0]))).ok();
            assert_eq!(sha256(raw.as_bytes()), *digest);
        }
    }

    #[test]
    fn hash_is_that_of_skopeos_archive_and_the_call_builds_it() {
        let (world, nix) = (World::new(), Nix::new());
        let name = ["--final-image-name", "app", "--final-image-tag", "v1"];
        for (tag, digest, platform, options) in [
            ("one", &world.one, &["--arch", "amd64"][..], &["--override-arch", "amd64"][..]),
            ("multi", &world.multi, &["--arch", "arm64"], &["--override-arch", "arm64"]),
            (
                "multi",
                &world.multi,
                &["--arch", "arm", "--variant", "v7"],
                &["--override-arch", "arm", "--override-variant", "v7"],
            ),
        ] {
            let theirs = world.skopeo_archive(digest, "app:v1", options);
            let image = world.image(tag);
            let arguments = [&["prefetch", "--hash", &image][..], &name, platform].concat();
            let printed = world.run(&arguments).ok();
            assert_eq!(parsed(&nix, &printed, "arguments: arguments.hash"), sri(&theirs));
            let path = run(nix.command("nix-build").args(["--no-out-link", "--expr", &printed])).ok();
            assert!(
                std::fs::read(nix.real(&path)).expect("a file") == std::fs::read(&theirs).expect("a file")
            );
        }
        assert_eq!(world.left(), Vec::<String>::new());
    }

    #[test]
    fn an_index_is_said_and_the_manifest_on_request() {
        let (world, nix) = (World::new(), Nix::without_plugin());
        let image = world.image("multi");
        let index = world.run(&["prefetch", &image, "--arch", "arm64"]).ok();
        let said = format!("# an index of several platforms; linux/arm64 is {}", world.arm64);
        assert!(index.contains(&said), "{index}");
        let digest = "arguments: [ arguments.imageDigest arguments.arch ]";
        assert_eq!(parsed(&nix, &index, digest), json!([world.multi, "arm64"]));
        let manifest = world.run(&["prefetch", &image, "--arch", "arm64", "--manifest"]).ok();
        assert_eq!(parsed(&nix, &manifest, digest), json!([world.arm64, "arm64"]));
        // Other systems are said.
        let windows = world.run(&["prefetch", &image, "--arch", "amd64", "--os", "windows"]).ok();
        assert_eq!(parsed(&nix, &windows, "arguments: arguments.os"), "windows");
        let arm =
            world.run(&["prefetch", &image, "--arch", "arm", "--variant", "v7", "--no-tls-verify"]).ok();
        assert_eq!(
            parsed(&nix, &arm, "arguments: [ arguments.variant arguments.tlsVerify ]"),
            json!(["v7", false])
        );
    }

    #[test]
    fn gzip_is_preferred_on_request() {
        let (registry, images, folder) = (Registry::start(), MadeImages::new(), Folder::new());
        let (gzip, index) = images.both_compressions();
        images.push(&registry.host(), "both", index, &[]);
        let (world, nix) = (World::new(), Nix::without_plugin());
        let image = format!("{}/team/app:both", registry.host());
        let asked =
            |more: &[&str]| world.run(&[&["prefetch", &image, "--arch", "amd64"], more].concat()).ok();
        let names = "arguments: [ (arguments.imageDigest == \"GZIP\") (arguments.preferGzip or null) ]";
        let names = names.replace("GZIP", &gzip);
        assert_eq!(parsed(&nix, &asked(&["--manifest"]), &names), json!([false, null]));
        assert_eq!(parsed(&nix, &asked(&["--manifest", "--prefer-gzip"]), &names), json!([true, true]));
        assert_eq!(support::json(&asked(&["--json", "--prefer-gzip"]))["manifestDigest"], gzip);
        assert_eq!(support::json(&asked(&["--json", "--prefer-gzip"]))["preferGzip"], true);
        let out = folder.join("out").display().to_string();
        world.run(&["pull", &image, &out, "--arch", "amd64", "--prefer-gzip"]).ok();
        assert_eq!(sha256(output("skopeo", &["inspect", "--raw", &format!("oci:{out}")]).as_bytes()), gzip);
        let inspected =
            world.run(&["inspect", "--json", &format!("docker://{image}"), "--arch=amd64", "--prefer-gzip"]);
        assert_eq!(support::json(&inspected.ok())["digest"], gzip);
    }

    #[test]
    fn json_says_the_same() {
        let world = World::new();
        let (image, host) = (world.image("multi"), world.registry.host());
        let said = support::json(&world.run(&["prefetch", "--json", &image, "--arch", "arm64"]).ok());
        let expected = json!({
            "imageName": format!("{host}/team/app"), "imageDigest": world.multi, "isIndex": true,
            "manifestDigest": world.arm64, "os": "linux", "arch": "arm64",
            "finalImageName": format!("{host}/team/app"), "finalImageTag": "multi", "tlsVerify": true,
        });
        assert_eq!(said, expected);
        let said = support::json(
            &world
                .run(&[
                    "prefetch",
                    "--json",
                    "--hash",
                    &world.image("one"),
                    "--arch",
                    "amd64",
                    "--final-image-name",
                    "app",
                ])
                .ok(),
        );
        assert_eq!((&said["isIndex"], &said["imageDigest"]), (&json!(false), &json!(world.one)));
        let theirs = world.skopeo_archive(&world.one, "app:one", &["--override-arch", "amd64"]);
        assert_eq!(said["hash"], sri(&theirs));
    }

    #[test]
    fn references_with_digests_and_prefixes() {
        let (world, nix) = (World::new(), Nix::without_plugin());
        let host = world.registry.host();
        for reference in [
            format!("{host}/team/app@{}", world.one),
            format!("docker://{host}/team/app:one"),
            format!("{host}/team/app:one@{}", world.one),
        ] {
            let printed = world.run(&["prefetch", &reference, "--arch", "amd64"]).ok();
            let found = parsed(&nix, &printed, "arguments: [ arguments.imageName arguments.imageDigest ]");
            assert_eq!(found, json!([format!("{host}/team/app"), world.one]), "{reference}");
        }
    }
}

mod pull {
    use super::*;

    #[test]
    fn a_layout_is_the_image_byte_for_byte() {
        let world = World::new();
        world.run(&["pull", &world.image("multi"), "out", "--arch", "arm64"]).ok();
        let out = world.work("out");
        let raw = output("skopeo", &["inspect", "--raw", &format!("oci:{}:multi", out.display())]);
        assert_eq!(sha256(raw.as_bytes()), world.arm64);
        for blob in std::fs::read_dir(out.join("blobs/sha256")).expect("blobs") {
            let blob = blob.expect("an entry");
            let digest = format!("sha256:{}", blob.file_name().into_string().expect("UTF-8"));
            assert!(std::fs::read(blob.path()).expect("a blob") == world.images.read(&digest), "{digest}");
        }
        let unpacked = support::unpack(&format!("{}:multi", out.display()), &world.folder.join("unpacked"));
        assert_eq!(std::fs::read_to_string(unpacked.join("etc/platform")).expect("a file"), "linux/arm64/v8");
        assert_eq!(world.left(), ["out"]);
    }

    #[test]
    fn an_archive_is_both_kinds_and_keeps_digest_and_layers() {
        let world = World::new();
        let arguments = ["--format", "archive", "--arch", "amd64", "--name", "registry.example/app:v1"];
        world.run(&[&["pull", &world.image("one"), "out.tar"], &arguments[..]].concat()).ok();
        let out = world.work("out.tar");
        let raw = output("skopeo", &["inspect", "--raw", &format!("oci-archive:{}", out.display())]);
        assert_eq!(sha256(raw.as_bytes()), world.one);
        let docker = format!("docker-archive:{}:registry.example/app:v1", out.display());
        let config = support::json(&output("skopeo", &["inspect", "--config", &docker]));
        assert_eq!(config["config"]["Env"], json!(["A=1"]));
        let said = support::json(&world.run(&["inspect", "--json", "out.tar"]).ok());
        assert_eq!((&said["digest"], &said["format"]), (&json!(world.one), &json!("archive")));
        assert_eq!(world.left(), ["out.tar"]);
    }

    #[test]
    fn a_docker_archive_is_skopeos() {
        let world = World::new();
        for (digest, name, options) in [
            (&world.one, "app:v1", &["--arch", "amd64"][..]),
            (&world.multi, "registry.example/app:2", &["--arch", "arm64"]),
        ] {
            let theirs = world.skopeo_archive(digest, name, &["--override-arch", options[1]]);
            let image = format!("{}/team/app@{digest}", world.registry.host());
            let out = format!("{}.tar", options[1]);
            let arguments = ["pull", "--format", "docker-archive", "--name", name, &image, &out];
            world.run(&[&arguments[..], options].concat()).ok();
            assert!(
                std::fs::read(world.work(&out)).expect("a file") == std::fs::read(theirs).expect("a file")
            );
            let said = support::json(&world.run(&["inspect", "--json", &out]).ok());
            assert_eq!((&said["format"], &said["digest"]), (&json!("docker-archive"), &Value::Null));
            assert_eq!(said["layers"].as_array().expect("layers").len(), 2);
        }
    }

    #[test]
    fn what_was_pulled_is_a_base() {
        let (world, nix) = (World::new(), Nix::new());
        for (format, out) in [("layout", "layout"), ("archive", "a.tar"), ("docker-archive", "d.tar")] {
            world.run(&["pull", &world.image("one"), out, "--format", format, "--arch", "amd64"]).ok();
            let expression = format!(
                "builtins.ociImage {{ name = \"top\"; architecture = \"amd64\"; fromImage = builtins.path {{ path = {}; name = \"base\"; }}; }}",
                support::quoted(&world.work(out))
            );
            let image = look_at_others(&nix.built(&expression));
            assert_eq!(image.layers.len(), 3, "{format}");
        }
    }

    #[test]
    fn a_password_comes_from_a_file() {
        let (registry, images, folder) = (Registry::with_password(), MadeImages::new(), Folder::new());
        let image = images.image("linux/amd64", &[MadeLayer::file("a", "a")], json!({}));
        images.push(&registry.host(), "private", image, &["--dest-creds=user:secret"]);
        let file = folder.join("auth.json").display().to_string();
        let login = ["login", "--tls-verify=false", "-u", "user", "-p", "secret", "--authfile", &file];
        output("skopeo", &[&login[..], &[&registry.host()]].concat());
        let world = World::new();
        let image = format!("{}/team/app:private", registry.host());
        let error = world.run(&["pull", &image, "out", "--arch", "amd64"]).err();
        assert!(error.contains("log in") && !error.contains("secret"), "{error}");
        assert_eq!(world.left(), Vec::<String>::new());
        world.run(&["pull", &image, "out", "--arch", "amd64", "--authfile", &file]).ok();
        assert_eq!(world.left(), ["out"]);
    }
}

mod what_is_wrong {
    use super::*;

    /// Exit status 1, one line, and nothing is left.
    #[track_caller]
    fn fails(world: &World, arguments: &[&str], wanted: &[&str]) {
        let before = world.left();
        let ran = world.run(arguments);
        assert_eq!(ran.code, Some(1), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        for wanted in wanted {
            assert!(ran.stderr.contains(wanted), "{arguments:?}: {wanted:?} is not in {}", ran.stderr);
        }
        assert_eq!(ran.stdout, "");
        assert_eq!(world.left(), before);
    }

    #[test]
    fn images_registries_and_platforms_that_are_not_there() {
        let world = World::new();
        let host = world.registry.host();
        for command in [
            &["prefetch"][..],
            &["prefetch", "--hash"],
            &["pull", "out"],
            &["pull", "out", "--format=archive"],
            &["pull", "out", "--format=docker-archive"],
        ] {
            // The image is the first argument.
            let with = |image: &str| -> Vec<String> {
                let mut arguments = vec![command[0].to_string(), image.to_string()];
                arguments.extend(command[1..].iter().map(|argument| argument.to_string()));
                arguments
            };
            let check = |image: &str, wanted: &[&str]| {
                let arguments = with(image);
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                fails(&world, &arguments, wanted);
            };
            check(&format!("{host}/team/app:none"), &["/v2/team/app/manifests/none", "404"]);
            check(&format!("{host}/team/other:one"), &["/v2/team/other/manifests/one", "404"]);
            check("127.0.0.1:1/team/app:one", &["127.0.0.1:1", "refused"]);
            check("UPPER/case", &["UPPER"]);
            check("app@sha256:12", &["sha256:12"]);
        }
        fails(
            &world,
            &["pull", &world.image("multi"), "out", "--arch", "s390x"],
            &["no image for linux/s390x; offered: linux/amd64, linux/arm64/v8, linux/arm/v7, windows/amd64"],
        );
        fails(&world, &["prefetch", &world.image("multi"), "--arch", "s390x"], &["no image for linux/s390x"]);
    }

    #[test]
    fn a_place_that_is_taken_stays_as_it_is() {
        let world = World::new();
        let taken = world.folder.write("work/taken", "mine");
        for format in ["layout", "archive", "docker-archive"] {
            fails(
                &world,
                &["pull", &world.image("one"), "taken", "--arch=amd64", "--format", format],
                &["taken", "exist"],
            );
            assert_eq!(std::fs::read_to_string(&taken).expect("a file"), "mine");
            let nowhere = ["pull", &world.image("one"), "no/such/out", "--arch=amd64", "--format", format];
            fails(&world, &nowhere, &["no/such"]);
        }
    }

    #[test]
    fn usage_is_two() {
        let world = World::new();
        for arguments in [
            &["pull"][..],
            &["pull", "a"],
            &["prefetch"],
            &["prefetch", "a", "--nonsense"],
            &["pull", "a", "b", "--format", "zip"],
        ] {
            let ran = world.run(arguments);
            assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
        }
    }

    #[test]
    fn a_registry_that_lies_leaves_nothing() {
        let world = World::new();
        let (mut content, _) = support::server::Content::image(&[b"first", b"second"]);
        content.tamper_blob(gantry::digest::Digest::of(b"second"), |bytes| bytes[0] ^= 1);
        let server = content.serve();
        let image = format!("{}/app", server.host());
        let digest = gantry::digest::Digest::of(b"second").to_string();
        for format in ["layout", "archive", "docker-archive"] {
            fails(
                &world,
                &["pull", &image, "out", "--arch=amd64", "--format", format],
                &[&digest, "changed"],
            );
        }
        fails(&world, &["prefetch", "--hash", &image, "--arch=amd64"], &[&digest]);
    }

    #[test]
    fn an_interruption_leaves_nothing() {
        let world = World::new();
        let (content, _) = support::server::Content::image(&[b"first", b"second"]);
        let server = support::server::Server::start(move |asked| {
            let reply = content.answer(asked);
            let layer = gantry::digest::Digest::of(b"second").to_string();
            if asked.path.ends_with(&layer) { reply.stall(2) } else { reply }
        });
        let image = format!("{}/app", server.host());
        for format in ["layout", "archive", "docker-archive"] {
            let before = server.asked().len();
            let arguments = ["pull", &image, "out", "--arch=amd64", "--format", format];
            let mut child =
                world.gantry(&arguments).stderr(std::process::Stdio::piped()).spawn().expect("gantry");
            let deadline = Instant::now() + Duration::from_secs(20);
            while !server.asked()[before..].iter().any(|asked| asked.path.contains("/blobs/"))
                || server.asked().len() < before + 4
            {
                assert!(Instant::now() < deadline, "{:?}", server.paths());
                std::thread::sleep(Duration::from_millis(10));
            }
            let interrupted = Instant::now();
            output("kill", &["-INT", &child.id().to_string()]);
            let status = child.wait().expect("an end");
            assert!(interrupted.elapsed() < Duration::from_secs(3), "{format}: {:?}", interrupted.elapsed());
            assert_eq!(status.code(), Some(130), "{format}");
            assert_eq!(world.left(), Vec::<String>::new(), "{format}");
        }
    }
}

#[test]
fn inspect_of_a_registry_says_what_inspect_of_the_pulled_image_says() {
    let world = World::new();
    let out = world.folder.join("inspected");
    run(Command::new(gantry()).args(["pull", &world.image("multi"), "--arch", "arm64"]).arg(&out)).ok();
    let here = support::json(&run(Command::new(gantry()).args(["inspect", "--json"]).arg(&out)).ok());
    let reference = format!("docker://{}", world.image("multi"));
    let there = run(Command::new(gantry()).args(["inspect", "--json", &reference, "--arch", "arm64"])).ok();
    let there = support::json(&there);
    assert_eq!(there["digest"], world.arm64);
    for key in ["digest", "configDigest", "layers", "os", "architecture", "size", "config"] {
        assert_eq!(here[key], there[key], "{key}");
    }
    let missing = format!("docker://{}", world.image("missing"));
    assert_eq!(run(Command::new(gantry()).args(["inspect", &missing])).code, Some(1));
}
