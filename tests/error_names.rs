//! What errors name: the image, layer and member that the user knows, never a temporary path that is gone when the
//! message is read, and nothing of unbounded length.

mod support;

use std::fs;
use std::process::Command;

use serde_json::json;
use support::{MadeImages, MadeLayer, Registry, Scripts, Store, gantry, run, tar};

#[test]
fn merge_does_not_speak_of_an_argument_that_it_does_not_have() {
    let images = MadeImages::new();
    let missing = images.folder.join("missing");
    let out = images.folder.join("out");
    let error = run(Command::new(gantry()).arg("merge").arg(&missing).arg("--output").arg(out)).err();
    assert_eq!(error, format!("error: {}: No such file or directory (os error 2)\n", missing.display()));
}

#[test]
fn a_root_that_scripts_cannot_work_in_is_not_named_by_its_temporary_path() {
    let (scripts, images) = (Scripts::new(), MadeImages::new());
    images.tag("1", images.image("linux/amd64", &[MadeLayer::file("proc", "a file")], json!({})));
    let (error, _) = scripts.refused(json!({ "fromImage": images.folder.path(), "runAsRoot": "true" }));
    assert_eq!(
        error,
        "error: the root of the scripts: /proc is not a directory, and has to be one for scripts"
    );
}

#[test]
fn a_pulled_image_that_is_wrong_is_named_by_its_reference_and_blob() {
    let (registry, images) = (Registry::start(), MadeImages::new());
    let lie = MadeLayer { diff_id: support::sha256(b"another"), ..MadeLayer::file("a", "a") };
    images.push(
        &registry.host(),
        "1",
        images.image("linux/amd64", std::slice::from_ref(&lie), json!({})),
        &[],
    );
    let reference = format!("{}/team/app:1", registry.host());
    for format in ["archive", "docker-archive"] {
        let mut pull = Command::new(gantry());
        pull.args(["pull", "--no-tls-verify", "--format", format, &reference]).arg(images.folder.join("out"));
        let error = run(pull.env("HOME", images.folder.path())).err();
        assert!(error.starts_with(&format!("error: {reference}: ")), "{error}");
        assert!(error.contains(&lie.digest()) && !error.contains("gantry-"), "{error}");
    }
}

#[test]
fn a_base_without_a_platform_is_said_to_have_none() {
    let (store, images) = (Store::new(), MadeImages::new());
    let nothing = json!({ "os": "", "architecture": "" });
    images.tag("1", images.image("linux/amd64", &[MadeLayer::file("a", "a")], nothing));
    let base = json!({ "fromImage": images.folder.path() });
    let attributes = store.image("archive", &store.empty_root(), &[], base);
    let error = run(&mut store.build(&attributes, &store.folder().join("out"))).err();
    assert!(!error.contains(" / ") && !error.contains(" /,"), "{error}");
}

#[test]
fn a_full_disk_is_named_by_the_output_that_does_not_fit() {
    let (store, images) = (Store::new(), MadeImages::new());
    images.tag("1", images.image("linux/amd64", &[MadeLayer::plain(tar(&[("a", b"a")]))], json!({})));
    let out = store.folder().join("out");
    for (kind, call) in [("directory-links", "write"), ("root", "write"), ("index", "pwrite64")] {
        let mut arguments = json!({ "name": "test", "tag": "1", "manifests": [images.folder.path()] });
        match kind {
            "root" => arguments = json!({}),
            "directory-links" => arguments = json!({ "fromImage": images.folder.path() }),
            _ => {}
        }
        let mut attributes = json!({ "gantry": { "kind": kind, "arguments": arguments } });
        if kind == "index" {
            attributes["gantry"]["format"] = json!("layout");
        }
        let attrs = store.folder().write("attrs.json", attributes.to_string());
        let injection = format!("inject={call}:error=ENOSPC:when=1");
        let mut build = Command::new("strace");
        build
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=write,pwrite64", "-e", &injection])
            .arg(gantry());
        let error = run(build.args(["build", "--attrs"]).arg(attrs).arg("--out").arg(&out)).err();
        assert!(
            error.contains(out.to_str().expect("UTF-8")) && !error.contains(".gantry-"),
            "{kind}: {error}"
        );
        assert!(error.contains("No space left on device"), "{kind}: {error}");
        fs::symlink_metadata(&out).expect_err("an output");
    }
}

#[test]
fn a_name_of_two_thousand_components_is_cut_in_the_middle() {
    let name = format!("/first/{}last", "directory/".repeat(2000));
    let error = run(Command::new(gantry()).args(["inspect", &name])).err();
    assert!(error.starts_with("error: /first/directory/"), "{error}");
    assert!(error.contains("directory/last: File name too long"), "{error}");
    assert!(error.chars().count() < 700, "{}", error.len());
}
