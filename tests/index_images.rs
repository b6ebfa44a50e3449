//! `manifests`: indexes of images for several platforms, as skopeo and a registry see them.

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::{MadeImages, MadeLayer, Nix, Ran, Registry, functions, gantry, run, sha256, unpack};

/// An image of nothing but a file, for an architecture.
fn member(architecture: &str, more: &str) -> String {
    format!(
        "({}builtins.ociImage {{ name = \"member\"; tag = \"1\"; architecture = \"{architecture}\"; config.Labels.of = \"{architecture}\"; {more} }})",
        functions()
    )
}

fn index(members: &[String], more: &str) -> String {
    format!(
        "{}builtins.ociImage {{ name = \"registry.example/multi\"; tag = \"v1\"; manifests = [ {} ]; {more} }}",
        functions(),
        members.join(" ")
    )
}

fn amd64_and_arm64(more: &str) -> String {
    index(&[member("amd64", ""), member("arm64", "variant = \"v8\";")], more)
}

fn build(nix: &Nix, expression: &str) -> Ran {
    run(nix.command("nix-build").args(["--no-out-link", "--expr", expression]))
}

/// The bytes of the index or manifest that skopeo finds.
#[track_caller]
fn raw(transport: &str, path: &Path, tag: &str) -> String {
    let mut skopeo = Command::new("skopeo");
    run(skopeo.args(["inspect", "--raw", &format!("{transport}:{}{tag}", path.display())])).ok()
}

fn platforms(index: &Value) -> Vec<String> {
    let entries = index["manifests"].as_array().expect("manifests").iter();
    entries
        .map(|entry| {
            let part = |key: &str| entry["platform"][key].as_str().unwrap_or_default().to_string();
            [part("os"), part("architecture"), part("variant")].join("/")
        })
        .collect()
}

#[track_caller]
fn skopeo_copy(arguments: &[&str]) {
    let options = ["--insecure-policy", "copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"];
    run(Command::new("skopeo").args(options).args(arguments)).ok();
}

#[test]
fn both_formats_hold_the_same_index() {
    let nix = Nix::new();
    let archive = nix.built(&amd64_and_arm64(""));
    let layout = nix.built(&amd64_and_arm64("format = \"layout\";"));
    let (in_archive, in_layout) = (raw("oci-archive", &archive, ""), raw("oci", &layout, ":v1"));
    assert_eq!(in_archive, in_layout);
    let index = support::json(&in_layout);
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(platforms(&index), ["linux/amd64/", "linux/arm64/v8"]);
    // Each is there as it is.
    for (entry, architecture) in
        index["manifests"].as_array().expect("manifests").iter().zip(["amd64", "arm64"])
    {
        let more = if architecture == "arm64" {
            "variant = \"v8\"; format = \"layout\";"
        } else {
            "format = \"layout\";"
        };
        let alone = raw("oci", &nix.built(&member(architecture, more)), ":1");
        assert_eq!(entry["digest"], sha256(alone.as_bytes()), "{architecture}");
        assert_eq!(entry["size"], alone.len());
    }
    // No file that nobody names, and each is what its name says.
    for blob in std::fs::read_dir(layout.join("blobs/sha256")).expect("blobs") {
        let blob = blob.expect("an entry");
        let digest = sha256(&std::fs::read(blob.path()).expect("a blob"));
        assert_eq!(digest, format!("sha256:{}", blob.file_name().into_string().expect("UTF-8")));
    }
    nix.verify();
}

#[test]
fn a_registry_gives_back_the_same_index() {
    let (nix, registry) = (Nix::new(), Registry::start());
    for (format, compression, from) in [("layout", "gzip", "oci"), ("archive", "none", "oci-archive")] {
        let more = format!("format = \"layout\"; compression = \"{compression}\";");
        let members = [member("amd64", &more), member("arm64", &more), member("riscv64", &more)];
        let image = nix.built(&index(&members, &format!("format = \"{format}\";")));
        let tag = if from == "oci" { ":v1" } else { "" };
        let digest = sha256(raw(from, &image, tag).as_bytes());
        let remote = format!("docker://{}/multi:{format}", registry.host());
        skopeo_copy(&["--all", "--preserve-digests", &format!("{from}:{}{tag}", image.display()), &remote]);
        let mut skopeo = Command::new("skopeo");
        let there = run(skopeo.args(["inspect", "--raw", "--tls-verify=false", &remote])).ok();
        assert_eq!(sha256(there.as_bytes()), digest, "{format}");
        let back = nix.folder().join(format!("back-{format}"));
        let to = format!("oci:{}:v1", back.display());
        skopeo_copy(&["--all", "--preserve-digests", "--dest-oci-accept-uncompressed-layers", &remote, &to]);
        assert_eq!(sha256(raw("oci", &back, ":v1").as_bytes()), digest, "{format}");
        // Whoever asks for one gets that one.
        for architecture in ["amd64", "arm64", "riscv64"] {
            let mut skopeo = Command::new("skopeo");
            skopeo.args([
                "--override-arch",
                architecture,
                "inspect",
                "--config",
                "--tls-verify=false",
                &remote,
            ]);
            let config = support::json(&run(&mut skopeo).ok());
            assert_eq!(config["config"]["Labels"]["of"], architecture);
        }
    }
}

#[test]
fn members_come_from_registries_too() {
    let (nix, registry, images) = (Nix::new(), Registry::start(), MadeImages::new());
    let layer = MadeLayer::file("etc/platform", "arm64");
    let arm = images.image("linux/arm64/v8", std::slice::from_ref(&layer), json!({}));
    let digest = images.push(&registry.host(), "arm", arm, &[]);
    let archive = nix.folder().join("skopeo.tar");
    let source = format!("docker://{}/team/app@{digest}", registry.host());
    skopeo_copy(&[&source, &format!("docker-archive:{}:a:1", archive.display())]);
    let sha = String::from_utf8(support::through("sha256sum", &std::fs::read(&archive).expect("a file")));
    let sha = sha.expect("UTF-8")[..64].to_string();
    let pull = |more: &str| {
        format!(
            "(builtins.pullImage {{ imageName = \"{}/team/app\"; imageDigest = \"{digest}\"; {more} }})",
            registry.host()
        )
    };
    // As a layout its manifest is what it was; a docker-archive has none, and one is made.
    for (of, kept) in [
        (pull(""), true),
        (pull(&format!("finalImageName = \"a\"; finalImageTag = \"1\"; sha256 = \"{sha}\";")), false),
    ] {
        let layout = nix.built(&index(&[member("amd64", ""), of], "format = \"layout\";"));
        let found = support::json(&raw("oci", &layout, ":v1"));
        assert_eq!(platforms(&found), ["linux/amd64/", "linux/arm64/v8"]);
        assert_eq!(found["manifests"][1]["digest"] == digest, kept);
        let one = nix.folder().join(format!("one-{kept}"));
        run(Command::new("skopeo").args([
            "--insecure-policy",
            "--override-arch",
            "arm64",
            "copy",
            "-q",
            "--dest-oci-accept-uncompressed-layers",
            &format!("oci:{}:v1", layout.display()),
            &format!("oci:{}:1", one.display()),
        ]))
        .ok();
        let root = unpack(&format!("{}:1", one.display()), &nix.folder().join(format!("unpacked-{kept}")));
        assert_eq!(std::fs::read_to_string(root.join("etc/platform")).expect("a file"), "arm64");
    }
}

#[test]
fn blobs_that_members_share_are_there_once() {
    let nix = Nix::new();
    let folder = nix.folder().write("shared/file", "shared");
    let shared = format!(
        "includeStorePaths = false; copyToRoot = builtins.path {{ path = {}; name = \"shared\"; }};",
        support::quoted(folder.parent().expect("a folder"))
    );
    let layout =
        nix.built(&index(&[member("amd64", &shared), member("arm64", &shared)], "format = \"layout\";"));
    // Two manifests, two configurations, the index, one layer.
    assert_eq!(std::fs::read_dir(layout.join("blobs/sha256")).expect("blobs").count(), 6);
}

#[test]
fn two_images_for_one_platform_are_refused() {
    let nix = Nix::new();
    let error = build(
        &nix,
        &index(
            &[
                member("amd64", ""),
                member("arm64", ""),
                member("amd64", "created = \"2020-01-01T00:00:00Z\";"),
            ],
            "",
        ),
    )
    .err();
    assert!(
        error.contains("manifests: two images are for linux/amd64; an index has one for each platform"),
        "{error}"
    );
    // Two variants are two platforms.
    let arm = |variant: &str| member("arm", &format!("variant = \"{variant}\";"));
    let layout = nix.built(&index(&[arm("v6"), arm("v7")], "format = \"layout\";"));
    assert_eq!(platforms(&support::json(&raw("oci", &layout, ":v1"))), ["linux/arm/v6", "linux/arm/v7"]);
    let error = build(&nix, &index(&[arm("v7"), arm("v7")], "")).err();
    assert!(error.contains("two images are for linux/arm/v7"), "{error}");
}

#[test]
fn an_index_is_no_member() {
    let nix = Nix::new();
    let error = build(&nix, &index(&[format!("({})", amd64_and_arm64(""))], "")).err();
    assert!(error.contains("2 images (linux/amd64, linux/arm64/v8), expected one"), "{error}");
}

#[test]
fn tags_annotations_and_attributes() {
    let nix = Nix::new();
    let layout = nix.built(&amd64_and_arm64(
        "format = \"layout\"; annotations.\"org.opencontainers.image.source\" = \"here\";",
    ));
    let found = support::json(&raw("oci", &layout, ":v1"));
    assert_eq!(found["annotations"], json!({ "org.opencontainers.image.source": "here" }));
    let attributes = format!(
        "let a = {}; b = {}; in [ a.imageRef (a.imageTag == a.archive.imageTag) (a.imageTag == b.imageTag) (a ? root) (builtins.stringLength a.imageTag) ]",
        amd64_and_arm64("").replace("tag = \"v1\";", ""),
        index(&[member("amd64", "")], "").replace("tag = \"v1\";", "")
    );
    let said = support::json(&nix.eval(&attributes).ok());
    let reference = said[0].as_str().expect("a text");
    assert!(reference.starts_with("registry.example/multi:"), "{reference}");
    assert_eq!(said.as_array().expect("a list")[1..], [json!(true), json!(false), json!(false), json!(32)]);
}

#[test]
fn docker_load_finds_the_first() {
    let nix = Nix::new();
    let archive = nix.built(&amd64_and_arm64(""));
    let mut skopeo = Command::new("skopeo");
    let from = format!("docker-archive:{}:registry.example/multi:v1", archive.display());
    let config = support::json(&run(skopeo.args(["inspect", "--config", &from])).ok());
    assert_eq!(config["config"]["Labels"]["of"], "amd64");
}

#[test]
fn inspecting_says_that_there_are_several() {
    let nix = Nix::new();
    let archive = nix.built(&amd64_and_arm64(""));
    let error = run(Command::new(gantry()).arg("inspect").arg(&archive)).err();
    assert!(error.contains("2 images (linux/amd64, linux/arm64/v8), expected one"), "{error}");
}
