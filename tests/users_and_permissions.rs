//! `users`, `directories`, `perms` and `keepContentsDirlinks`: what they make of contents and of a base image.

mod support;

use serde_json::json;
use support::{MadeImages, MadeLayer, Scripts, Tree};

/// Mode and owner of a path.
#[track_caller]
fn attributes(tree: &Tree, path: &str) -> (u64, u64, u64) {
    let entry = tree.get(path).unwrap_or_else(|| panic!("no {path} in {:?}", tree.keys()));
    let number = |key: &str| entry[key].as_u64().unwrap_or(u64::MAX);
    (number("mode"), number("uid"), number("gid"))
}

/// A file's text in a layer, by GNU tar.
#[track_caller]
fn text(scripts: &Scripts, out: &str, path: &str) -> String {
    let tar = scripts.folder().join(out).join("layer.tar");
    support::output("tar", &["-xOf", tar.to_str().expect("UTF-8"), &format!("./{path}")])
}

#[test]
fn users_of_contents_stay_and_new_ones_follow() {
    let scripts = Scripts::new();
    let passwd = "root:x:0:0:System:/:/bin/ash\napp:x:1:1::/old:/bin/no\n";
    let fake_nss = scripts.add("nss", &[("etc/passwd", passwd), ("etc/group", "root:x:0:\nwheel:x:10:me\n")]);
    let users = json!({ "app": { "uid": 1000, "home": "/srv/app" }, "web": { "uid": 33, "gid": 1000, "group": "app", "shell": "/bin/web", "description": "Web" } });
    for (out, way) in [("linked", "contents"), ("copied", "copyToRoot")] {
        let tree = scripts.tree(json!({ way: [{ "path": fake_nss }], "users": users }), out);
        assert_eq!(
            text(&scripts, out, "etc/passwd"),
            "root:x:0:0:System:/:/bin/ash\napp:x:1000:1000::/srv/app:/bin/sh\nweb:x:33:1000:Web:/home/web:/bin/web"
        );
        assert_eq!(text(&scripts, out, "etc/group"), "root:x:0:\nwheel:x:10:me\napp:x:1000:");
        assert_eq!(tree["etc/passwd"]["kind"], "file");
        assert_eq!(attributes(&tree, "etc/passwd"), (0o644, 0, 0));
        assert_eq!(attributes(&tree, "srv/app"), (0o755, 1000, 1000));
        assert_eq!(attributes(&tree, "home/web"), (0o755, 33, 1000));
        assert_eq!(attributes(&tree, "srv"), (0o755, 0, 0));
    }
}

#[test]
fn users_of_the_base_stay_and_scripts_know_the_new_ones() {
    let scripts = Scripts::new();
    let images = MadeImages::new();
    let base = [MadeLayer::file("etc/passwd", "root:x:0:0::/root:/bin/sh\nbase:x:7:7::/:/bin/sh\n")];
    images.tag("1", images.image("linux/amd64", &base, json!({})));
    let expected = "root:x:0:0::/root:/bin/sh\nbase:x:7:7::/:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh";
    let arguments = json!({ "fromImage": images.folder.path(), "users": { "app": { "uid": 1000 } } });
    scripts.run(arguments.clone(), "plain").ok();
    assert_eq!(text(&scripts, "plain", "etc/passwd"), expected);
    let mut with_script = arguments;
    with_script["runAsRoot"] = json!("touch /x; chown app:app /x; [ $(stat -c %u /home/app) = 1000 ]");
    scripts.run(with_script, "script").ok();
    assert_eq!(text(&scripts, "script", "etc/passwd"), expected);
    assert_eq!(attributes(&scripts.unpacked(&base, "script"), "x"), (0o644, 1000, 1000));
}

#[test]
fn directories_are_made_or_adjusted() {
    let scripts = Scripts::new();
    let source = scripts.add("source", &[("etc/app/x", ""), ("tmp/", "")]);
    let tree = scripts.tree(
        json!({
            "copyToRoot": [{ "path": source }],
            "directories": {
                "/tmp": { "mode": "1777" },
                "/etc/app": { "uid": 5 },
                "/var/lib/deep": { "mode": "2750", "uid": 1000, "gid": 100 },
            },
            "gid": 50,
        }),
        "out",
    );
    assert_eq!(attributes(&tree, "tmp"), (0o1777, 0, 50));
    assert_eq!(attributes(&tree, "etc/app"), (0o755, 5, 50));
    assert_eq!(attributes(&tree, "etc/app/x"), (0o444, 0, 50));
    assert_eq!(attributes(&tree, "var/lib"), (0o755, 0, 50));
    assert_eq!(attributes(&tree, "var/lib/deep"), (0o2750, 1000, 100));
}

#[test]
fn a_directory_where_there_is_a_file_is_an_error() {
    let scripts = Scripts::new();
    let source = scripts.add("source", &[("etc/x", ""), ("home", "-> nowhere")]);
    let sources = json!([{ "path": source }]);
    let (error, _) = scripts.refused(json!({ "copyToRoot": sources, "directories": { "/etc/x/y": {} } }));
    assert!(error.contains("/etc/x"), "{error}");
    let (error, _) = scripts.refused(json!({ "copyToRoot": sources, "users": { "app": { "uid": 1 } } }));
    assert!(error.contains("/home"), "{error}");
}

#[test]
fn the_last_rule_wins_and_one_about_nothing_is_an_error() {
    let scripts = Scripts::new();
    let source = scripts
        .add("source", &[("bin/a", ""), ("bin/b", ""), ("bin/l", "-> a"), ("srv/d/e/f", ""), ("srv/.h", "")]);
    let sources = json!([{ "path": source }]);
    let tree = scripts.tree(
        json!({ "copyToRoot": sources, "perms": [
            { "path": "/**", "uid": 9 },
            { "path": "/bin/*", "mode": "0711", "uid": 1 },
            { "path": "/bin/[!a]", "mode": "4755" },
            { "path": "/srv/**", "gid": 7 },
            { "path": "/srv/d/?", "mode": "0700" },
        ] }),
        "out",
    );
    assert_eq!(attributes(&tree, "."), (0o755, 9, 0));
    assert_eq!(attributes(&tree, "bin"), (0o755, 9, 0));
    assert_eq!(attributes(&tree, "bin/a"), (0o711, 1, 0));
    assert_eq!(attributes(&tree, "bin/b"), (0o4755, 1, 0));
    assert_eq!(tree["bin/l"]["uid"], 1, "a link has an owner and no mode");
    assert_eq!(attributes(&tree, "srv"), (0o755, 9, 7));
    assert_eq!(attributes(&tree, "srv/.h"), (0o444, 9, 7));
    assert_eq!(attributes(&tree, "srv/d/e"), (0o700, 9, 7));
    assert_eq!(attributes(&tree, "srv/d/e/f"), (0o444, 9, 7));
    for path in ["/bin/c", "/bin/a/*", "/nix/store/**", "/Bin"] {
        let (error, _) = scripts.refused(json!({ "copyToRoot": sources, "perms": [{ "path": "/bin", "uid": 1 }, { "path": path, "uid": 1 }] }));
        assert!(error.contains(&format!("perms: {path:?} matches nothing")), "{error}");
    }
}

#[test]
fn rules_apply_to_what_scripts_made() {
    let scripts = Scripts::new();
    let rules = json!([{ "path": "/made/*", "mode": "0640", "gid": 12 }]);
    let tree = scripts.tree(json!({ "extraCommands": "mkdir made; touch made/x", "perms": rules }), "out");
    assert_eq!(attributes(&tree, "made/x"), (0o640, 0, 12));
}

#[test]
fn links_to_directories_are_kept_or_become_what_they_lead_to() {
    let scripts = Scripts::new();
    let data = scripts.add("data", &[("x", "x"), ("deep/y", "y")]);
    let source =
        scripts.add("source", &[("share", &format!("-> {data}")), ("file", &format!("-> {data}/x"))]);
    let sources = json!([{ "path": source }]);
    let kept = scripts.tree(json!({ "copyToRoot": sources }), "kept");
    assert_eq!(kept["share"]["kind"], "link");
    // In a store at /nix/store, because links name it.
    let followed = scripts.tree(json!({ "copyToRoot": sources, "keepContentsDirlinks": false }), "followed");
    assert_eq!(followed["share"]["kind"], "directory");
    assert_eq!(followed["share/x"]["kind"], "file");
    assert_eq!(followed["share/deep/y"]["kind"], "file");
    assert_eq!(followed["file"]["kind"], "link");
}
