//! Scripts on top of a base whose directories are links, and what one script leaves to the next: the layer,
//! as CPython reads it, hides nothing of the base and has the owners that were asked for.

mod support;

use serde_json::{Value, json};
use support::{MadeImages, MadeLayer, Scripts, Tree};

/// Mode and owner of a path of a layer.
#[track_caller]
fn attributes(tree: &Tree, path: &str) -> (u64, u64) {
    let entry = tree.get(path).unwrap_or_else(|| panic!("no {path} in {:?}", tree.keys()));
    (entry["mode"].as_u64().unwrap_or(u64::MAX), entry["uid"].as_u64().unwrap_or(u64::MAX))
}

/// A base with `/bin -> usr/bin` and `/var/run -> ../run`; and where its links lead, as the derivation
/// `directory-links` says it.
struct Linked {
    images: MadeImages,
    scripts: Scripts,
}

impl Linked {
    fn new() -> Linked {
        let images = MadeImages::new();
        let folder = support::Folder::new();
        let make = "mkdir -p usr/bin run var proc dev tmp nix/store; chmod 2775 run; ln -s usr/bin bin; ln -s ../run var/run; touch usr/bin/tool";
        support::run(std::process::Command::new("sh").args(["-euc", make]).current_dir(folder.path())).ok();
        let layer = MadeLayer::gzip(&support::tar_of(folder.path(), &["."]));
        images.tag("1", images.image("linux/amd64", &[layer], json!({})));
        Linked { images, scripts: Scripts::new() }
    }

    /// The layer of these arguments on the base.
    #[track_caller]
    fn names(&self, arguments: Value, out: &str) -> Vec<String> {
        let base = self.images.folder.path();
        let attributes =
            json!({ "gantry": { "kind": "directory-links", "arguments": { "fromImage": base } } });
        let file = self.scripts.folder().write(&format!("links-{out}.attrs"), attributes.to_string());
        let links = self.scripts.folder().join(format!("links-{out}"));
        let mut command = self.scripts.in_namespace();
        command.arg(support::gantry()).args(["build", "--attrs"]).arg(file).arg("--out").arg(&links);
        support::run(&mut command).ok();
        let mut all = json!({ "fromImage": base, "directoryLinks": links });
        all.as_object_mut().expect("a set").extend(arguments.as_object().expect("a set").clone());
        self.scripts.run(all, out).ok();
        self.scripts.names(out)
    }
}

#[test]
fn what_scripts_make_below_a_bases_links_goes_where_they_lead() {
    let linked = Linked::new();
    let makes = "mkdir -p bin; touch bin/app";
    assert_eq!(linked.names(json!({ "extraCommands": makes }), "alone"), ["usr", "usr/bin", "usr/bin/app"]);
    let after = json!({ "runAsRoot": "true", "extraCommands": makes });
    assert_eq!(linked.names(after, "after-root"), ["usr", "usr/bin", "usr/bin/app"]);
    // A link that root replaced on purpose is none any more.
    let replaced = json!({ "runAsRoot": "rm /bin; mkdir /bin; touch /bin/own", "fakeRootCommands": makes });
    assert_eq!(linked.names(replaced, "replaced"), ["bin", "bin/app", "bin/own"]);
}

#[test]
fn a_directory_asked_for_under_a_links_name_has_its_mode_where_that_leads() {
    let linked = Linked::new();
    let arguments = json!({ "directories": { "/var/run": { "mode": "1777", "uid": 7 } } });
    linked.names(arguments, "directory");
    assert_eq!(attributes(&linked.scripts.unpacked(&[], "directory"), "run"), (0o1777, 7));
}

#[test]
fn contents_over_a_bases_directory_leave_its_mode_while_the_machine_is_busy() {
    let linked = Linked::new();
    let contents = linked.scripts.add("contents", &[("var/run/x", "x"), ("bin/own", "own")]);
    // The kernel gives up looking up `..` when anything is renamed meanwhile.
    let renames =
        "i=0; while [ $i -lt 20000 ]; do mv \"$0/a\" \"$0/b\"; mv \"$0/b\" \"$0/a\"; i=$((i+1)); done";
    let folder = support::Folder::new();
    std::fs::create_dir(folder.join("a")).expect("a directory");
    let mut busy = std::process::Command::new("/bin/busybox")
        .args(["sh", "-c", renames])
        .arg(folder.path())
        .spawn()
        .expect("busybox-static; tests/setup installs it");
    for round in 0..5 {
        let out = format!("busy-{round}");
        let names = linked.names(json!({ "contents": [{ "path": contents }], "runAsRoot": "true" }), &out);
        let names: Vec<&str> = names.iter().map(|name| name.split(' ').next().unwrap_or_default()).collect();
        assert_eq!(names, ["run", "run/x", "usr", "usr/bin", "usr/bin/own"]);
        assert_eq!(attributes(&linked.scripts.unpacked(&[], &out), "run").0, 0o2775);
    }
    let _ = busy.kill();
    busy.wait().expect("an end");
}

#[test]
fn an_owner_of_tmp_stays_with_it() {
    let scripts = Scripts::new();
    let arguments = json!({ "runAsRoot": "chown 1000 /tmp", "extraCommands": "mkdir made" });
    let tree = scripts.tree(arguments, "out");
    assert_eq!(attributes(&tree, "tmp"), (0o755, 1000));
    assert_eq!(attributes(&tree, "made"), (0o755, 0));
    let arguments =
        json!({ "runAsRoot": "chown 1000 /proc /dev /nix || true", "extraCommands": "mkdir made" });
    assert!(scripts.tree(arguments, "scaffold").values().all(|entry| entry["uid"] == 0));
}

#[test]
fn layers_of_deep_directories_are_made() {
    let scripts = Scripts::new();
    let deep = "i=0; while [ $i -lt 300 ]; do mkdir d; cd d; i=$((i+1)); done; touch file";
    scripts.run(json!({ "extraCommands": deep }), "out").ok();
    assert_eq!(scripts.names("out").last(), Some(&format!("{}file", "d/".repeat(300))));
}
