//! What errors name: the image, layer and member that the user knows, never a temporary path that is gone when the
//! message is read, and nothing of unbounded length.

mod support;

use std::process::Command;

use serde_json::json;
use support::{MadeImages, MadeLayer, Store, gantry, run};

#[test]
fn merge_does_not_speak_of_an_argument_that_it_does_not_have() {
    let images = MadeImages::new();
    let missing = images.folder.join("missing");
    let out = images.folder.join("out");
    let error = run(Command::new(gantry()).arg("merge").arg(&missing).arg("--output").arg(out)).err();
    assert_eq!(error, format!("error: {}: No such file or directory (os error 2)\n", missing.display()));
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
fn a_name_of_two_thousand_components_is_cut_in_the_middle() {
    let name = format!("/first/{}last", "directory/".repeat(2000));
    let error = run(Command::new(gantry()).args(["inspect", &name])).err();
    assert!(error.starts_with("error: /first/directory/"), "{error}");
    assert!(error.contains("directory/last: File name too long"), "{error}");
    assert!(error.chars().count() < 700, "{}", error.len());
}
