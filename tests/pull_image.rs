//! `builtins.pullImage` in the real Nix, from a real registry (docker-registry) with what skopeo pushed there.

mod support;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{
    Folder, MadeImages, MadeLayer, Nix, Ran, Registry, digest_of, functions, gantry, output, run, sha256,
};

/// A registry with `team/app:one`, an image of two gzip layers for linux/amd64.
struct World {
    registry: Registry,
    images: MadeImages,
    digest: String,
}

impl World {
    fn new() -> World {
        let (registry, images) = (Registry::start(), MadeImages::new());
        let digest = images.push(&registry.host(), "one", one(&images), &[]);
        World { registry, images, digest }
    }

    /// A call for this digest, with more arguments.
    fn call_of(&self, digest: &str, more: &str) -> String {
        call(&self.registry.host(), &format!("imageDigest = \"{digest}\"; {more}"))
    }

    fn call(&self, more: &str) -> String {
        self.call_of(&self.digest, more)
    }
}

fn one(images: &MadeImages) -> Value {
    let layers = [MadeLayer::file("etc/common", "common"), MadeLayer::file("etc/one", "1")];
    images.image("linux/amd64", &layers, json!({ "config": { "Env": ["A=1"] } }))
}

fn call(host: &str, arguments: &str) -> String {
    format!("{}builtins.pullImage {{ imageName = \"{host}/team/app\"; {arguments} }}", functions())
}

/// `nix-build`: the output's store path.
fn build(nix: &Nix, expression: &str) -> Ran {
    run(nix.command("nix-build").args(["--no-out-link", "--expr", expression]))
}

/// The files in the store, without links and locks.
fn store_names(nix: &Nix) -> BTreeSet<String> {
    let Ok(entries) = std::fs::read_dir(nix.real("/nix/store")) else { return BTreeSet::new() };
    entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .filter(|name| name != ".links" && !name.ends_with(".lock"))
        .collect()
}

/// Store paths that are blobs.
fn blobs(nix: &Nix) -> BTreeSet<String> {
    store_names(nix).into_iter().filter(|name| name.ends_with("-oci-blob")).collect()
}

/// A copy of an image by skopeo as a docker-archive.
#[track_caller]
fn skopeo_archive(host: &str, digest: &str, name: &str, folder: &Folder, options: &[&str]) -> PathBuf {
    let file = folder.join("skopeo.tar");
    let _ = std::fs::remove_file(&file);
    run(Command::new("skopeo").arg("--insecure-policy").args(options).args([
        "copy",
        "-q",
        "--src-tls-verify=false",
        &format!("docker://{host}/team/app@{digest}"),
        &format!("docker-archive:{}:{name}", file.display()),
    ]))
    .ok();
    file
}

fn hash(file: &Path, form: &str) -> String {
    let file = file.to_str().expect("UTF-8");
    match form {
        "sri" => output("nix", &["--extra-experimental-features", "nix-command", "hash", "file", file]),
        "base32" => output("nix-hash", &["--flat", "--type", "sha256", "--base32", file]),
        _ => output("nix-hash", &["--flat", "--type", form, file]),
    }
}

/// Runs a program that sees the store of `nix` at /nix: layouts of links lead there.
fn at_home(nix: &Nix, script: &str) -> Ran {
    run(&mut nix.in_store(script))
}

mod with_a_hash {
    use super::*;

    #[test]
    fn the_output_is_skopeos_archive_at_the_path_of_docker_tools() {
        let (world, nix, folder) = (World::new(), Nix::new(), Folder::new());
        let host = world.registry.host();
        let theirs = skopeo_archive(&host, &world.digest, "registry.example/app:v1", &folder, &[]);
        let (sri, base16, base32) = (hash(&theirs, "sri"), hash(&theirs, "sha256"), hash(&theirs, "base32"));
        // nixpkgs, docker/default.nix: fixName "docker-image-${finalImageName}-${finalImageTag}.tar".
        let named = folder.join("docker-image-registry.example-app-v1.tar");
        std::fs::copy(&theirs, &named).expect("a copy");
        let elsewhere = Nix::without_plugin();
        let predicted = run(elsewhere.command("nix-store").args(["--add-fixed", "sha256"]).arg(&named)).ok();
        for given in [
            format!("hash = \"{sri}\";"),
            format!("sha256 = \"{base16}\";"),
            format!("sha256 = \"{base32}\";"),
            format!("outputHash = \"{base32}\"; outputHashAlgo = \"sha256\";"),
        ] {
            let expression = world
                .call(&format!("finalImageName = \"registry.example/app\"; finalImageTag = \"v1\"; {given}"));
            let path = build(&nix, &expression).ok();
            assert_eq!(path, predicted, "{given}");
        }
        assert!(
            std::fs::read(nix.real(&predicted)).expect("a file") == std::fs::read(&theirs).expect("a file")
        );
        nix.verify();
    }

    #[test]
    fn names_default_to_the_images_own_and_latest() {
        let (world, nix, folder) = (World::new(), Nix::new(), Folder::new());
        let host = world.registry.host();
        let theirs = skopeo_archive(&host, &world.digest, &format!("{host}/team/app:latest"), &folder, &[]);
        let path = build(&nix, &world.call(&format!("hash = \"{}\";", hash(&theirs, "sri")))).ok();
        let dashes = host.replace(':', "-");
        assert!(path.ends_with(&format!("-docker-image-{dashes}-team-app-latest.tar")), "{path}");
        let named = world.call(&format!("name = \"mine.tar\"; hash = \"{}\";", hash(&theirs, "sri")));
        assert!(build(&nix, &named).ok().ends_with("-mine.tar"));
    }

    #[test]
    fn another_algorithm_is_nixs_matter() {
        let (world, nix, folder) = (World::new(), Nix::new(), Folder::new());
        let theirs = skopeo_archive(&world.registry.host(), &world.digest, "app:1", &folder, &[]);
        let named = "finalImageName = \"app\"; finalImageTag = \"1\";";
        let sha512 = hash(&theirs, "sha512");
        let path = build(
            &nix,
            &world.call(&format!("{named} outputHash = \"{sha512}\"; outputHashAlgo = \"sha512\";")),
        )
        .ok();
        assert!(std::fs::read(nix.real(&path)).expect("a file") == std::fs::read(&theirs).expect("a file"));
    }

    #[test]
    fn a_wrong_hash_is_nixs_hash_mismatch() {
        let (world, nix, folder) = (World::new(), Nix::new(), Folder::new());
        let theirs = skopeo_archive(&world.registry.host(), &world.digest, "app:1", &folder, &[]);
        let wrong = format!("sha256-{}=", "A".repeat(43));
        // Left empty, as in nixpkgs, it is a hash that nothing has.
        for given in [format!("hash = \"{wrong}\";"), "hash = \"\";".into(), "sha256 = \"\";".into()] {
            let expression = world.call(&format!("finalImageName = \"app\"; finalImageTag = \"1\"; {given}"));
            let error = build(&nix, &expression).err();
            assert!(error.contains("hash mismatch in fixed-output derivation"), "{error}");
            assert!(error.contains(&wrong) && error.contains(&hash(&theirs, "sri")), "{error}");
            let path = support::json(&nix.eval(&format!("({expression}).outPath")).ok());
            assert!(!nix.real(path.as_str().expect("a path")).exists());
        }
    }

    #[test]
    fn evaluating_asks_nobody() {
        let nix = Nix::new();
        // Port 1 refuses.
        let expression = call(
            "127.0.0.1:1",
            &format!("imageDigest = \"sha256:{}\"; sha256 = \"{}\";", "0".repeat(64), "0".repeat(64)),
        );
        run(nix.command("nix-instantiate").args(["--expr", &expression])).ok();
        let error = build(&nix, &expression).err();
        assert!(error.contains("127.0.0.1:1") && error.contains("refused"), "{error}");
    }

    #[test]
    fn the_platform_is_chosen_from_an_index() {
        let (world, nix, folder) = (World::new(), Nix::new(), Folder::new());
        let entries: Vec<Value> = ["linux/amd64", "linux/arm/v6", "linux/arm/v7"]
            .iter()
            .map(|platform| world.images.image(platform, &[MadeLayer::file("platform", platform)], json!({})))
            .collect();
        let host = world.registry.host();
        let index = world.images.push(&host, "multi", world.images.index(&entries), &[]);
        for (arguments, options) in [
            ("arch = \"amd64\";", &["--override-arch", "amd64"][..]),
            ("arch = \"arm\"; variant = \"v6\";", &["--override-arch", "arm", "--override-variant", "v6"]),
            ("arch = \"arm\"; variant = \"v7\";", &["--override-arch", "arm", "--override-variant", "v7"]),
        ] {
            let theirs = skopeo_archive(&host, &index, "app:1", &folder, options);
            let given = format!("finalImageName = \"app\"; finalImageTag = \"1\"; {arguments}");
            let path =
                build(&nix, &world.call_of(&index, &format!("{given} hash = \"{}\";", hash(&theirs, "sri"))));
            path.ok();
        }
        let error =
            build(&nix, &world.call_of(&index, "arch = \"s390x\"; hash = \"\"; finalImageTag = \"1\";"))
                .err();
        assert!(error.contains("no image for linux/s390x; offered: linux/amd64"), "{error}");
    }
}

mod without_a_hash {
    use super::*;

    #[test]
    fn the_layout_of_links_is_the_image_that_was_pushed() {
        let (world, nix) = (World::new(), Nix::new());
        let path = build(&nix, &world.call("finalImageName = \"app\"; finalImageTag = \"v1\";")).ok();
        assert!(path.ends_with("-docker-image-app-v1"), "{path}");
        for entry in std::fs::read_dir(nix.real(&path).join("blobs/sha256")).expect("blobs") {
            let entry = entry.expect("an entry");
            let target = std::fs::read_link(entry.path()).expect("a link");
            let target = target.to_str().expect("UTF-8");
            assert!(target.starts_with("/nix/store/") && target.ends_with("-oci-blob"), "{target}");
            // The path is that of a flat file of this hash: what anybody adds is the same.
            let file = nix.folder().write(
                "oci-blob",
                world.images.read(&format!("sha256:{}", entry.file_name().into_string().expect("UTF-8"))),
            );
            let added = run(nix.command("nix-store").args(["--add-fixed", "sha256"]).arg(file)).ok();
            assert_eq!(target, added);
        }
        let said = at_home(&nix, &format!("skopeo inspect oci:{path}:v1")).ok();
        assert_eq!(support::json(&said)["Digest"], world.digest);
        let raw = at_home(&nix, &format!("skopeo inspect --raw oci:{path}:v1")).ok();
        assert_eq!(sha256(raw.as_bytes()), world.digest);
        at_home(&nix, &format!("umoci unpack --image {path}:v1 out")).ok();
        let read = |name: &str| std::fs::read_to_string(nix.folder().join("out/rootfs").join(name));
        assert_eq!(
            (read("etc/common").expect("a file"), read("etc/one").expect("a file")),
            ("common".into(), "1".into())
        );
        nix.verify();
    }

    #[test]
    fn evaluating_again_asks_nobody_and_a_valid_image_needs_no_registry() {
        let (mut world, nix) = (World::new(), Nix::new());
        let expression = world.call("");
        let drv = || run(nix.command("nix-instantiate").args(["--expr", &expression])).ok();
        let before = world.registry.requests();
        let first = drv();
        assert!(world.registry.requests() > before, "the manifest was not asked for");
        let asked = world.registry.requests();
        assert_eq!(drv(), first);
        assert_eq!(world.registry.requests(), asked);
        let path = build(&nix, &expression).ok();
        let asked = world.registry.requests();
        assert_eq!(build(&nix, &expression).ok(), path);
        assert_eq!(world.registry.requests(), asked);
        world.registry.stop();
        assert_eq!(build(&nix, &expression).ok(), path);
        // So does all that is made of it.
        let on_top = format!(
            "builtins.ociImage {{ name = \"top\"; fromImage = {expression}; architecture = \"amd64\"; }}"
        );
        build(&nix, &on_top).ok();
    }

    #[test]
    fn only_the_manifest_is_asked_for_while_evaluating() {
        let (world, nix) = (World::new(), Nix::new());
        let name = run(nix.command("nix-instantiate").args([
            "--eval",
            "--expr",
            &format!(
                "let i = {}; in [ i.imageName i.imageDigest i.imageTag i.imageRef i.args.imageDigest ]",
                world.call("")
            ),
            "--strict",
        ]));
        let host = world.registry.host();
        let digest = &world.digest;
        assert_eq!(
            name.ok(),
            format!(
                "[ \"{host}/team/app\" \"{digest}\" \"latest\" \"{host}/team/app:latest\" \"{digest}\" ]"
            )
        );
        run(nix.command("nix-instantiate").args(["--expr", &world.call("")])).ok();
        assert_eq!(blobs(&nix).len(), 1, "{:?}", store_names(&nix));
    }

    #[test]
    fn images_share_their_blobs() {
        let (world, nix) = (World::new(), Nix::new());
        let layers = [MadeLayer::file("etc/common", "common"), MadeLayer::file("etc/two", "2")];
        let two = world.images.image("linux/amd64", &layers, json!({}));
        let two = world.images.push(&world.registry.host(), "two", two, &[]);
        build(&nix, &world.call("")).ok();
        let before = blobs(&nix);
        assert_eq!(before.len(), 4); // manifest, configuration, two layers
        build(&nix, &world.call_of(&two, "")).ok();
        let after = blobs(&nix);
        assert!(before.is_subset(&after));
        assert_eq!(after.len(), 7);
    }

    #[test]
    fn one_layer_twice_is_one_blob() {
        let (world, nix) = (World::new(), Nix::new());
        let layer = MadeLayer::file("a", "a");
        let twice = world.images.image("linux/amd64", &[layer.clone(), layer.clone(), layer], json!({}));
        let twice = world.images.push(&world.registry.host(), "twice", twice, &[]);
        let path = build(&nix, &world.call_of(&twice, "")).ok();
        assert_eq!(blobs(&nix).len(), 3);
        let said = at_home(&nix, &format!("skopeo inspect oci:{path}:latest")).ok();
        assert_eq!(support::json(&said)["Layers"].as_array().expect("layers").len(), 3);
    }

    #[test]
    fn an_image_without_layers() {
        let (world, nix) = (World::new(), Nix::new());
        let empty = world.images.image("linux/amd64", &[], json!({}));
        let empty = world.images.push(&world.registry.host(), "empty", empty, &[]);
        let path = build(&nix, &world.call_of(&empty, "")).ok();
        let raw = at_home(&nix, &format!("skopeo inspect --raw oci:{path}:latest")).ok();
        assert_eq!(sha256(raw.as_bytes()), empty);
    }

    #[test]
    fn dockers_own_documents_stay_what_they_are() {
        let (world, nix) = (World::new(), Nix::new());
        let host = world.registry.host();
        run(Command::new("skopeo").args([
            "--insecure-policy",
            "copy",
            "-q",
            "--format=v2s2",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            &format!("docker://{host}/team/app:one"),
            &format!("docker://{host}/team/app:docker"),
        ]))
        .ok();
        let raw = output(
            "skopeo",
            &["inspect", "--raw", "--tls-verify=false", &format!("docker://{host}/team/app:docker")],
        );
        assert!(raw.contains("vnd.docker.distribution.manifest.v2+json"));
        let digest = sha256(raw.as_bytes());
        let path = build(&nix, &world.call_of(&digest, "")).ok();
        // skopeo finds Docker's manifests in layouts by position only (containers/image, oci_transport.go).
        let kept = at_home(&nix, &format!("skopeo inspect --raw oci:{path}")).ok();
        assert_eq!(sha256(kept.as_bytes()), digest);
        let base = format!(
            "builtins.ociImage {{ name = \"top\"; architecture = \"amd64\"; fromImage = {}; }}",
            world.call_of(&digest, "")
        );
        let top = support::json(
            &run(Command::new(gantry()).args(["inspect", "--json"]).arg(nix.built(&base))).ok(),
        );
        let manifest = support::json(&raw);
        assert_eq!(top["layers"][0]["digest"], manifest["layers"][0]["digest"]);
    }

    #[test]
    fn the_platform_is_chosen_from_indexes_in_indexes() {
        let (world, nix) = (World::new(), Nix::new());
        let image = |platform: &str| {
            world.images.image(platform, &[MadeLayer::file("platform", platform)], json!({}))
        };
        let platforms = ["linux/amd64", "linux/arm/v6", "linux/arm/v7", "windows/amd64"];
        let entries: Vec<Value> = platforms.iter().map(|platform| image(platform)).collect();
        let mut inner = world.images.index(&entries);
        let host = world.registry.host();
        let flat = world.images.push(&host, "flat", inner.clone(), &[]);
        inner["platform"] = json!({ "os": "linux", "architecture": "amd64" });
        let nested = world.images.put(&host, "nested", &world.images.index(&[inner]));
        for (arguments, at, digest) in [
            ("", 0, &flat),
            ("arch = \"amd64\";", 0, &nested),
            ("arch = \"arm\"; variant = \"v6\";", 1, &flat),
            ("arch = \"arm\";", 2, &flat),
            ("os = \"windows\"; arch = \"amd64\";", 3, &flat),
            ("system = \"x86_64-linux\";", 0, &flat),
        ] {
            let path = build(&nix, &world.call_of(digest, arguments)).ok();
            let raw = at_home(&nix, &format!("skopeo inspect --raw oci:{path}:latest")).ok();
            assert_eq!(sha256(raw.as_bytes()), digest_of(&entries[at]), "{arguments}");
        }
        let error = build(&nix, &world.call_of(&flat, "arch = \"riscv64\";")).err();
        assert!(
            error.contains(
                "no image for linux/riscv64; offered: linux/amd64, linux/arm/v6, linux/arm/v7, windows/amd64"
            ),
            "{error}"
        );
    }

    #[test]
    fn mirrors_and_limits_reach_the_builder() {
        let (world, nix) = (World::new(), Nix::new());
        // Nothing listens on port 1; the mirror has everything.
        let expression = world.call("").replace(&world.registry.host(), "127.0.0.1:1");
        let build = |variables: &[(&str, &str)]| {
            let mut command = nix.command("nix-build");
            command.envs(variables.iter().copied());
            run(command.args(["--no-out-link", "--expr", &expression]))
        };
        let mirror = ("GANTRY_REGISTRY_MIRRORS", &format!("127.0.0.1:1={}", world.registry.host())[..]);
        run(nix.command("nix-instantiate").envs([mirror]).args(["--expr", &expression])).ok();
        let error = build(&[]).err();
        assert!(error.contains("127.0.0.1:1") && error.contains("refused"), "{error}");
        for name in [
            "GANTRY_REGISTRY_DOCUMENT_SECONDS",
            "GANTRY_REGISTRY_BYTES_PER_SECOND",
            "GANTRY_REGISTRY_IDLE_SECONDS",
            "GANTRY_REGISTRY_RETRY_AFTER_SECONDS",
        ] {
            let error = build(&[mirror, (name, "wrong")]).err();
            assert!(error.contains(&format!("{name}: found \"wrong\"")), "{error}");
        }
        build(&[mirror]).ok();
    }

    #[test]
    fn gzip_is_preferred_on_request() {
        let (world, nix, folder) = (World::new(), Nix::new(), Folder::new());
        let (gzip, index) = world.images.both_compressions();
        let host = world.registry.host();
        let index = world.images.push(&host, "both", index, &[]);
        for (arguments, takes_gzip) in
            [("", false), ("preferGzip = false;", false), ("preferGzip = true;", true)]
        {
            let path = build(&nix, &world.call_of(&index, arguments)).ok();
            let raw = at_home(&nix, &format!("skopeo inspect --raw oci:{path}:latest")).ok();
            assert_eq!(sha256(raw.as_bytes()) == gzip, takes_gzip, "{arguments}");
        }
        // As skopeo archives the same image, whichever of the two it would choose.
        let theirs = skopeo_archive(&host, &gzip, "app:1", &folder, &[]);
        let hashed =
            format!("finalImageName = \"app\"; finalImageTag = \"1\"; hash = \"{}\";", hash(&theirs, "sri"));
        build(&nix, &world.call_of(&index, &format!("{hashed} preferGzip = true;"))).ok();
        let other = format!("name = \"other.tar\"; {hashed}");
        let error = build(&nix, &world.call_of(&index, &other)).err();
        assert!(error.contains("hash mismatch"), "{error}");
    }

    #[test]
    fn a_system_that_builds_nothing_here_still_evaluates() {
        let (world, nix) = (World::new(), Nix::new());
        let arm = world.images.image("linux/arm64", &[MadeLayer::file("a", "arm")], json!({}));
        let index = world.images.index(&[one(&world.images), arm.clone()]);
        let index = world.images.push(&world.registry.host(), "multi", index, &[]);
        let expression = world.call_of(&index, "system = \"aarch64-linux\";");
        run(nix.command("nix-instantiate").args(["--expr", &expression])).ok();
        let names = blobs(&nix);
        let file = nix.folder().write("oci-blob", world.images.read(&digest_of(&arm)));
        let added = run(nix.command("nix-store").args(["--add-fixed", "sha256"]).arg(file)).ok();
        assert!(
            names.contains(added.trim_start_matches("/nix/store/")),
            "the manifest for arm64 was not chosen"
        );
    }
}

mod tags {
    use super::*;

    #[test]
    fn are_resolved_in_impure_evaluations() {
        let (world, nix) = (World::new(), Nix::new());
        let expression = call(&world.registry.host(), "tag = \"one\";");
        let said = run(nix.command("nix-instantiate").args([
            "--eval",
            "--strict",
            "--expr",
            &format!("let i = {expression}; in [ i.imageDigest i.imageTag ]"),
        ]));
        assert_eq!(said.ok(), format!("[ \"{}\" \"one\" ]", world.digest));
        let path = build(&nix, &expression).ok();
        assert_eq!(path, build(&nix, &world.call("finalImageTag = \"one\";")).ok());
        // Now it is another image.
        let other = world.images.image("linux/amd64", &[MadeLayer::file("other", "o")], json!({}));
        let images = MadeImages::new();
        let layers = [MadeLayer::file("other", "o")];
        let digest =
            images.push(&world.registry.host(), "one", images.image("linux/amd64", &layers, json!({})), &[]);
        assert_eq!(digest, digest_of(&other));
        let said = nix.eval(&format!("({expression}).imageDigest")).ok();
        assert_eq!(said, format!("\"{digest}\""));
    }

    #[test]
    fn are_refused_in_pure_ones_with_the_line_to_paste() {
        let (world, nix) = (World::new(), Nix::new());
        let pure = |expression: &str| {
            run(nix.command("nix").args(["eval", "--raw", "--expr", &format!("({expression}).outPath")]))
        };
        let error = pure(&call(&world.registry.host(), "tag = \"one\";")).err();
        let line = format!("imageDigest = \"{}\";", world.digest);
        assert!(error.lines().any(|found| found.trim() == line), "{error}");
        let pasted = pure(&call(&world.registry.host(), &line)).ok();
        assert!(pasted.starts_with("/nix/store/"));
        let built = run(nix.command("nix").args(["build", "--no-link", "--expr", &world.call("")]));
        assert_eq!(built.code, Some(0), "{}", built.stderr);
        assert!(nix.real(&pasted).exists());
    }

    #[test]
    fn that_do_not_exist() {
        let (world, nix) = (World::new(), Nix::new());
        let error =
            nix.eval(&format!("({}).imageDigest", call(&world.registry.host(), "tag = \"none\";"))).err();
        let url = format!("http://{}/v2/team/app/manifests/none", world.registry.host());
        assert!(error.contains(&url) && error.contains("404"), "{error}");
    }
}

mod modes {
    use super::*;

    #[test]
    fn restricted_evaluation_says_what_to_allow() {
        let (world, nix) = (World::new(), Nix::new());
        let host = world.registry.host();
        let evaluate = |expression: &str, allowed: &[&str]| {
            let mut command = nix.command("nix-instantiate");
            command.args(["--option", "restrict-eval", "true"]).args(allowed);
            run(command.args(["--expr", expression]))
        };
        let error = evaluate(&world.call(""), &[]).err();
        let url = format!("https://{host}/v2/team/app/manifests/{}", world.digest);
        assert!(error.contains(&url) && error.contains("restricted mode"), "{error}");
        assert_eq!(blobs(&nix).len(), 0);
        let allowed = format!("https://{host}/v2/team/");
        evaluate(&world.call(""), &["--option", "allowed-uris", &allowed]).ok();
        // What is in the store may be read again.
        evaluate(&world.call(""), &["--option", "allowed-uris", &allowed]).ok();
        let error = evaluate(&call(&host, "tag = \"one\";"), &[]).err();
        assert!(error.contains(&format!("https://{host}/v2/team/app/manifests/one")), "{error}");
    }

    #[test]
    fn a_hash_needs_no_permission() {
        let (world, nix) = (World::new(), Nix::new());
        let mut command = nix.command("nix-instantiate");
        command.args(["--option", "restrict-eval", "true", "--expr"]);
        run(command.arg(world.call(&format!("sha256 = \"{}\";", "0".repeat(64))))).ok();
    }

    #[test]
    fn read_only_evaluation_finds_the_same_and_writes_nothing() {
        let (world, nix) = (World::new(), Nix::new());
        let path = format!("({}).outPath", world.call(""));
        let found = run(nix.command("nix-instantiate").args(["--eval", "--expr", &path])).ok();
        assert_eq!(blobs(&nix).len(), 0);
        assert_eq!(found, format!("{:?}", build(&nix, &world.call("")).ok()));
    }

    #[test]
    fn errors_of_the_network_are_not_remembered() {
        let (mut world, nix) = (World::new(), Nix::new());
        let flake = nix.folder().join("flake");
        nix.folder().write(
            "flake/flake.nix",
            format!("{{ outputs = _: {{ packages.x86_64-linux.image = {}; }}; }}", world.call("")),
        );
        let evaluate = || {
            let at = format!("path:{}#packages.x86_64-linux.image.outPath", flake.display());
            run(nix.command("nix").args(["eval", "--raw", "--no-write-lock-file", &at]))
        };
        world.registry.stop();
        for _ in 0..2 {
            let error = evaluate().err();
            assert!(error.contains(&world.registry.host()) && error.contains("refused"), "{error}");
            assert!(!error.contains("cached failure"), "{error}");
        }
        world.registry.start_again();
        let path = evaluate().ok();
        assert!(path.starts_with("/nix/store/"), "{path}");
        // Success is.
        world.registry.stop();
        assert_eq!(evaluate().ok(), path);
    }

    #[test]
    fn interrupting_ends_a_request_that_stalls() {
        // Connections are taken by the system, and nobody ever answers.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = format!("127.0.0.1:{}", silent.local_addr().expect("an address").port());
        for arguments in
            ["tag = \"one\";".to_string(), format!("imageDigest = \"sha256:{}\";", "0".repeat(64))]
        {
            let nix = Nix::new();
            let mut child = nix
                .command("nix-instantiate")
                .args(["--expr", &call(&host, &arguments)])
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .expect("nix-instantiate");
            // It has asked; then it waits.
            let (mut stream, _) = silent.accept().expect("a connection");
            std::io::Read::read_exact(&mut stream, &mut [0; 1]).expect("a request");
            assert!(child.try_wait().expect("a process").is_none());
            let interrupted = Instant::now();
            output("kill", &["-INT", &child.id().to_string()]);
            while child.try_wait().expect("a process").is_none() {
                assert!(interrupted.elapsed() < Duration::from_secs(20), "still running");
                std::thread::sleep(Duration::from_millis(10));
            }
            assert!(interrupted.elapsed() < Duration::from_secs(3), "{:?}", interrupted.elapsed());
            let ended = child.wait_with_output().expect("an end");
            let error = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(!ended.status.success() && error.contains("interrupted"), "{error}");
            assert_eq!(blobs(&nix).len(), 0);
        }
    }
}

mod private_registries {
    use super::*;

    fn login(nix: &Nix, host: &str) -> PathBuf {
        let file = nix.folder().join("auth.json");
        let path = file.to_str().expect("UTF-8");
        output(
            "skopeo",
            &["login", "--tls-verify=false", "-u", "user", "-p", "secret", "--authfile", path, host],
        );
        file
    }

    #[test]
    fn blobs_are_fetched_by_the_evaluator_under_the_paths_that_they_have_anyway() {
        let (public, registry) = (World::new(), Registry::with_password());
        let images = MadeImages::new();
        let digest = images.push(&registry.host(), "one", one(&images), &["--dest-creds=user:secret"]);
        assert_eq!(digest, public.digest);
        let (nix, other) = (Nix::new(), Nix::new());
        let auth = login(&nix, &registry.host());
        let expression = call(&registry.host(), &format!("imageDigest = \"{digest}\";"));
        let drv = run(nix
            .command("nix-instantiate")
            .env("REGISTRY_AUTH_FILE", &auth)
            .args(["--expr", &expression]))
        .ok();
        build(&other, &public.call("")).ok();
        assert_eq!(blobs(&nix), blobs(&other));
        assert_eq!(blobs(&nix).len(), 4);
        // Nothing is left to be fetched: no credentials.
        let path = run(nix.command("nix-store").args(["--realise", &drv])).ok();
        assert_eq!(
            sha256(at_home(&nix, &format!("skopeo inspect --raw oci:{path}:latest")).ok().as_bytes()),
            digest
        );
        // auth.json keeps "user:secret" in Base64.
        for secret in ["user:secret", "dXNlcjpzZWNyZXQ="] {
            let found = run(Command::new("grep").args(["-r", "-l", "-F", secret]).arg(nix.real("/nix")));
            assert_eq!((found.code, found.stdout.as_str()), (Some(1), ""), "{secret}");
        }
        nix.verify();
    }

    #[test]
    fn the_derivations_do_not_depend_on_credentials() {
        let registry = Registry::with_password();
        let images = MadeImages::new();
        let digest = images.push(&registry.host(), "one", one(&images), &["--dest-creds=user:secret"]);
        let nix = Nix::new();
        let auth = login(&nix, &registry.host());
        let expression = call(&registry.host(), &format!("imageDigest = \"{digest}\";"));
        let drv = |with: bool| {
            let mut command = nix.command("nix-instantiate");
            if with {
                command.env("REGISTRY_AUTH_FILE", &auth);
            }
            run(command.args(["--expr", &expression])).ok()
        };
        // The second time the manifest is in the store.
        assert_eq!(drv(true), drv(false));
    }

    #[test]
    fn tags_and_the_users_own_files() {
        let registry = Registry::with_password();
        let images = MadeImages::new();
        let digest = images.push(&registry.host(), "one", one(&images), &["--dest-creds=user:secret"]);
        let nix = Nix::new();
        let auth = login(&nix, &registry.host());
        std::fs::create_dir_all(nix.folder().join("home/.docker")).expect("a folder");
        std::fs::copy(auth, nix.folder().join("home/.docker/config.json")).expect("a file");
        let found = nix.eval(&format!("({}).imageDigest", call(&registry.host(), "tag = \"one\";"))).ok();
        assert_eq!(found, format!("\"{digest}\""));
    }

    #[test]
    fn without_credentials_the_error_says_so() {
        let registry = Registry::with_password();
        let images = MadeImages::new();
        let digest = images.push(&registry.host(), "one", one(&images), &["--dest-creds=user:secret"]);
        let nix = Nix::new();
        let expression = call(&registry.host(), &format!("imageDigest = \"{digest}\";"));
        let evaluate = |auth: Option<&Path>| {
            let mut command = nix.command("nix-instantiate");
            command.env_remove("REGISTRY_AUTH_FILE").envs(auth.map(|auth| ("REGISTRY_AUTH_FILE", auth)));
            run(command.args(["--expr", &expression]))
        };
        let error = evaluate(None).err();
        assert!(error.contains(&registry.host()) && error.contains("log in"), "{error}");
        // Base64 of user:wrong-password.
        let wrong = nix.folder().write(
            "wrong.json",
            json!({ "auths": { registry.host(): { "auth": "dXNlcjp3cm9uZy1wYXNzd29yZA==" } } }).to_string(),
        );
        let error = evaluate(Some(&wrong)).err();
        assert!(error.contains("not accepted") && !error.contains("wrong-password"), "{error}");
        assert!(!error.contains("dXNlcj"), "{error}");
        assert_eq!(blobs(&nix).len(), 0);
    }
}

mod what_is_wrong {
    use super::*;

    #[test]
    fn digests_that_the_registry_does_not_have() {
        let (world, nix) = (World::new(), Nix::new());
        let digest = format!("sha256:{}", "1".repeat(64));
        for hash in ["", "hash = \"\";"] {
            let error = build(&nix, &world.call_of(&digest, hash)).err();
            assert!(error.contains(&digest) && error.contains("404"), "{error}");
        }
    }

    #[test]
    fn blobs_that_the_registry_changed() {
        let (world, nix) = (World::new(), Nix::new());
        let (mut content, _) = support::server::Content::image(&[b"layer"]);
        let lost = content.add_image(&[b"lost"], json!({}));
        content.tamper_blob(gantry::digest::Digest::of(b"lost"), |bytes| bytes[0] ^= 1);
        let server = content.serve();
        let expression = format!(
            "builtins.pullImage {{ imageName = \"{}/app\"; imageDigest = \"{lost}\"; }}",
            server.host()
        );
        let error = build(&nix, &expression).err();
        assert!(error.contains(&gantry::digest::Digest::of(b"lost").to_string()), "{error}");
        assert!(error.contains("changed"), "{error}");
        drop(world);
        nix.verify();
    }

    #[test]
    fn an_artifact_is_no_image() {
        let nix = Nix::new();
        let (mut content, _) = support::server::Content::image(&[b"layer"]);
        let config = content.blob("application/vnd.cncf.helm.config.v1+json", b"{}");
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let chart = content.manifest(
            "chart",
            media_type,
            json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [] }),
        );
        let server = content.serve();
        let expression = format!(
            "builtins.pullImage {{ imageName = \"{}/app\"; imageDigest = \"{chart}\"; }}",
            server.host()
        );
        let error = build(&nix, &expression).err();
        assert!(error.contains("helm"), "{error}");
        // A second try finds the document in the store, and is no cleverer.
        assert!(build(&nix, &expression).err().contains("helm"));
    }

    #[test]
    fn arguments_are_checked_where_they_are_written() {
        let nix = Nix::new();
        let file = nix.folder().write(
            "image.nix",
            "builtins.pullImage {\n  imageName = \"app\";\n  imageDigest = \"sha256:12\";\n}\n",
        );
        let error = run(nix.command("nix-instantiate").arg(&file)).err();
        assert!(error.contains("builtins.pullImage: imageDigest: found \"sha256:12\""), "{error}");
        assert!(error.contains(&format!("{}:3:3", file.display())), "{error}");
    }
}

/// The static builder alone: what the derivations run.
#[test]
fn the_builder_is_static() {
    let found = run(Command::new("ldd").arg(gantry()));
    let said = found.stdout + &found.stderr;
    assert!(said.contains("not a dynamic executable") || said.contains("statically linked"), "{said}");
}

/// A registry with TLS of an own authority: the evaluator and, where the sandbox has the file, the builds trust it.
#[test]
fn every_form_trusts_an_authority_of_ones_own() {
    let authority = support::server::Authority::new();
    let certificate = authority.certificate("IP:127.0.0.1", 2);
    let registry = Registry::with_tls(&certificate.chain, &certificate.key, None);
    let (images, nix, folder) = (MadeImages::new(), Nix::new(), Folder::new());
    let host = registry.host();
    let digest = images.push(&host, "one", one(&images), &[]);
    let hash = hash(&skopeo_archive(&host, &digest, &format!("{host}/team/app:latest"), &folder, &[]), "sri");
    let root = authority.root().display().to_string();
    for (arguments, trusted) in [
        (format!("imageDigest = \"{digest}\";"), true),
        (format!("imageDigest = \"{digest}\"; hash = \"{hash}\";"), true),
        ("tag = \"one\";".to_string(), true),
        (format!("imageDigest = \"{digest}\"; name = \"other.tar\"; hash = \"{hash}\";"), false),
    ] {
        let mut command = nix.command("nix-build");
        command.args(["--no-out-link", "--expr", &call(&host, &arguments)]);
        if trusted {
            command.env("NIX_SSL_CERT_FILE", &root).args(["--option", "extra-sandbox-paths", &root]);
        } else {
            command.env_remove("NIX_SSL_CERT_FILE").env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
        }
        let ran = run(&mut command);
        match trusted {
            true => drop(ran.ok()),
            false => assert!(ran.err().contains("certificate"), "{arguments}"),
        }
    }
}
