//! Explicit layers that are more than closures: copies in `/`, modes and owners, paths left out, parts, history.

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{MadeImages, MadeLayer, Member, Ran, Store, json as parsed, look, output, run, tar_of};

/// An element of an exported graph.
fn exported(path: &Path, references: &[&Path]) -> Value {
    let hash = format!("sha256:{}", "0".repeat(52));
    json!({ "path": path, "narSize": 1000, "narHash": hash, "references": references })
}

/// A library, a program that refers to it, and files for `/` that refer to the program.
struct Closure {
    store: Store,
    library: PathBuf,
    program: PathBuf,
    files: PathBuf,
}

impl Closure {
    fn new() -> Closure {
        let store = Store::new();
        let library = store.add("library", &[("lib/lib.so", "the library")]);
        let program = store.add("program", &[("bin/run", "#!/bin/sh"), ("share/doc", "read me")]);
        let link = format!("-> {}/bin/run", program.display());
        let files = store.add(
            "files",
            &[("bin/run", &link), ("bin/tool", "#!/bin/sh"), ("etc/app/key", "secret"), ("var/lib/app/", "")],
        );
        Closure { store, library, program, files }
    }

    fn exported(&self) -> Vec<Value> {
        vec![
            exported(&self.library, &[]),
            exported(&self.program, &[&self.library, &self.program]),
            exported(&self.files, &[&self.program]),
        ]
    }

    fn build(&self, name: &str, arguments: Value) -> Ran {
        let mut all = json!({ "paths": [] });
        all.as_object_mut().expect("a set").extend(arguments.as_object().expect("a set").clone());
        let attributes =
            json!({ "gantry": { "kind": "layer", "arguments": all }, "closure": self.exported() });
        run(&mut self.store.build(&attributes, &self.store.path(name)))
    }

    #[track_caller]
    fn layer(&self, name: &str, arguments: Value) -> PathBuf {
        self.build(name, arguments).ok();
        self.store.path(name)
    }

    /// The image of these layers; everything that the root layer needs is exported.
    #[track_caller]
    fn image(&self, layers: Value, shipped: &[&Path], more: Value) -> support::Image {
        let mut arguments = json!({ "layers": layers });
        arguments.as_object_mut().expect("a set").extend(more.as_object().expect("a set").clone());
        let number = self.store.folder().path().read_dir().expect("a folder").count();
        let out = self.store.folder().join(format!("image-{number}.tar"));
        let root = self.store.empty_root();
        run(&mut self.store.build(&self.store.image("archive", &root, shipped, arguments), &out)).ok();
        look(&out)
    }

    fn copied(&self) -> Value {
        json!([{ "path": self.files }])
    }

    /// The names of a layer's members outside the store, and of store paths' tops.
    fn names(&self, members: &[Member]) -> Vec<String> {
        let store = self.store.directory().display().to_string();
        let store = store.trim_start_matches('/');
        let mut names: Vec<String> = members
            .iter()
            .filter_map(|member| match member.name.strip_prefix(store) {
                None => (!store.starts_with(&member.name)).then(|| format!("/{}", member.name)),
                Some(below) => {
                    let name = below.trim_start_matches('/');
                    (!name.is_empty() && !name.contains('/')).then(|| name[33..].to_owned())
                }
            })
            .collect();
        names.sort();
        names
    }
}

#[track_caller]
fn member<'m>(members: &'m [Member], name: &str) -> &'m Member {
    members.iter().find(|member| member.name == name).unwrap_or_else(|| panic!("no {name} in {members:#?}"))
}

fn names(paths: &[&Path]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}

#[test]
fn a_copied_path_is_in_the_root_and_what_it_refers_to_in_the_store() {
    let closure = Closure::new();
    let layer = closure.layer("layer", json!({ "copyToRoot": closure.copied() }));
    let image = closure.image(json!([layer]), &[], json!({}));
    let [copying, _] = &image.layers[..] else { panic!("{} layers", image.layers.len()) };
    let expected = [
        "/bin",
        "/bin/run",
        "/bin/tool",
        "/etc",
        "/etc/app",
        "/etc/app/key",
        "/var",
        "/var/lib",
        "/var/lib/app",
        "library",
        "program",
    ];
    assert_eq!(closure.names(&copying.members), expected);
    assert_eq!(copying.paths, names(&[&closure.library, &closure.program]));
    let [key, tool, run] = ["etc/app/key", "bin/tool", "bin/run"].map(|name| member(&copying.members, name));
    assert_eq!((&key.kind[..], key.mode, key.size, key.uid), ("file", 0o444, 6, 0));
    assert_eq!((tool.mode, &run.kind[..]), (0o555, "link"));
    assert_eq!(run.target, format!("{}/bin/run", closure.program.display()));
    // The copies of a layer have the bytes that a root layer gives them, the zeros at its end aside.
    let root = closure.store.folder().join("root");
    closure.store.root(json!({ "copyToRoot": closure.copied() }), "root").ok();
    let tar = std::fs::read(root.join("layer.tar")).expect("a tar");
    let members =
        parsed(&std::fs::read_to_string(root.join("root.json")).expect("root.json"))["layer"]["members"]
            .as_u64()
            .expect("a number");
    let blob = std::fs::read(layer.join("blob")).expect("a blob");
    let tar = &tar[..usize::try_from(members).expect("small")];
    assert!(blob.windows(tar.len()).any(|window| window == tar));
    assert_eq!(output("find", &[layer.to_str().expect("UTF-8"), "-type", "f", "-name", "copies.tar"]), "");
}

#[test]
fn a_copied_path_stays_in_the_store_where_something_needs_it() {
    let closure = Closure::new();
    // The program refers to itself.
    let arguments = json!({ "copyToRoot": [{ "path": closure.program }] });
    let layer = closure.layer("itself", arguments);
    let image = closure.image(json!([layer]), &[], json!({}));
    assert_eq!(image.layers[0].paths, names(&[&closure.library, &closure.program]));
    assert!(closure.names(&image.layers[0].members).contains(&"/share/doc".to_owned()));
    // Asked for.
    let layer = closure.layer("asked", json!({ "copyToRoot": closure.copied(), "paths": [closure.files] }));
    assert_eq!(closure.image(json!([layer]), &[], json!({})).layers[0].paths.len(), 3);
}

#[test]
fn what_lies_below_is_not_repeated_and_copies_are() {
    let closure = Closure::new();
    let lower = closure.layer("lower", json!({ "paths": [closure.program] }));
    let upper = closure.layer("upper", json!({ "copyToRoot": closure.copied(), "below": [lower] }));
    let image = closure.image(json!([lower, upper]), &[], json!({}));
    assert_eq!(closure.names(&image.layers[0].members), ["library", "program"]);
    assert!(image.layers[1].paths.is_empty() && image.layers[1].members.len() == 10);
    // Of a base that says what it has.
    let base = closure.store.folder().join("base.tar");
    let attributes =
        closure.store.image("archive", &closure.store.empty_root(), &[&closure.library], json!({}));
    run(&mut closure.store.build(&attributes, &base)).ok();
    let on_base = closure.layer("on-base", json!({ "copyToRoot": closure.copied(), "fromImage": base }));
    let image = closure.image(json!([on_base]), &[], json!({ "fromImage": base }));
    assert_eq!(image.layers[2].paths, names(&[&closure.program]));
}

#[test]
fn rules_are_about_copies_and_below_the_store_about_store_paths() {
    let closure = Closure::new();
    let rules = json!([
        { "path": "/etc/**", "mode": "0700", "uid": 7, "gid": 8 },
        { "path": "/etc/app/key", "mode": "0600", "uname": "app" },
        { "path": format!("{}/*-program/bin/*", closure.store.directory().display()), "mode": "4555" },
    ]);
    let layer =
        closure.layer("layer", json!({ "copyToRoot": closure.copied(), "perms": rules, "paths": [] }));
    let image = closure.image(json!([layer]), &[], json!({}));
    let members = &image.layers[0].members;
    let [etc, key] = ["etc", "etc/app/key"].map(|name| member(members, name));
    assert_eq!((etc.mode, etc.uid, etc.gid, &etc.uname[..]), (0o700, 7, 8, ""));
    assert_eq!((key.mode, key.uid, &key.uname[..]), (0o600, 7, "app"));
    let in_store = |path: &Path, file: &str| {
        let name = path.join(file).display().to_string();
        member(members, name.trim_start_matches('/'))
    };
    assert_eq!(in_store(&closure.program, "bin/run").mode, 0o4555);
    assert_eq!(in_store(&closure.program, "share/doc").mode, 0o444);
    assert_eq!(in_store(&closure.library, "lib/lib.so").mode, 0o444);
    assert_eq!(image.layers[0].paths, names(&[&closure.library, &closure.program]));
    let files = members.iter().filter(|member| member.kind != "directory");
    let mut names: Vec<&str> = files.map(|file| &file.name[..]).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "each file once");

    let arguments = json!({ "copyToRoot": closure.copied(), "perms": [{ "path": "/nowhere", "uid": 1 }] });
    let error = closure.build("nothing", arguments).err();
    assert!(error.contains("perms: \"/nowhere\" matches nothing in the layer"), "{error}");
    assert!(!closure.store.path("nothing").exists());
}

#[test]
fn rules_with_a_source_are_nix2containers() {
    let closure = Closure::new();
    // Unanchored, on the path that the file has in the store; the last one wins.
    let rules = json!([
        { "source": closure.files, "regex": "", "uid": 1, "gid": 1 },
        { "source": closure.files, "regex": "/etc/.*key$", "mode": "0640", "uid": 2 },
        { "source": closure.files, "regex": "^/etc", "mode": "0777" },
        { "source": closure.library, "regex": r"\.so$", "mode": "0755" },
        { "source": closure.store.path("absent"), "regex": ".*", "mode": "0777" },
    ]);
    let arguments = json!({ "copyToRoot": closure.copied(), "perms": rules });
    let layer = closure.layer("layer", arguments);
    let image = closure.image(json!([layer]), &[], json!({}));
    let members = &image.layers[0].members;
    let [etc, key, link] = ["etc", "etc/app/key", "bin/run"].map(|name| member(members, name));
    assert_eq!((etc.mode, etc.uid, link.uid), (0o755, 1, 1));
    assert_eq!((key.mode, key.uid, key.gid), (0o640, 2, 1));
    let library = closure.library.join("lib/lib.so").display().to_string();
    assert_eq!(member(members, library.trim_start_matches('/')).mode, 0o755);

    // A path that is below comes again with other modes, as there.
    let lower = closure.layer("lower", json!({ "paths": [closure.library] }));
    let rules = json!([{ "source": closure.library, "regex": r"\.so$", "mode": "0711" }]);
    let upper =
        closure.layer("upper", json!({ "paths": [closure.program], "below": [lower], "perms": rules }));
    let recorded = std::fs::read_to_string(upper.join("layer.json")).expect("layer.json");
    assert_eq!(parsed(&recorded)["paths"].as_array().expect("a list").len(), 2);
}

#[test]
fn paths_are_left_out_unless_something_needs_them() {
    let closure = Closure::new();
    let arguments = json!({ "paths": [closure.files], "ignore": [closure.files] });
    let layer = closure.layer("layer", arguments);
    let image = closure.image(json!([layer]), &[], json!({}));
    assert_eq!(image.layers[0].paths, names(&[&closure.library, &closure.program]));
    let error =
        closure.build("needed", json!({ "paths": [closure.files], "ignore": [closure.library] })).err();
    let expected = format!("ignore: {} refers to {}", closure.program.display(), closure.library.display());
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn a_layer_may_become_several() {
    let closure = Closure::new();
    let arguments = json!({
        "copyToRoot": closure.copied(), "paths": [closure.files], "maxLayers": 2,
        "perms": [{ "path": "/etc/app/key", "mode": "600" }],
    });
    let layer = closure.layer("layer", arguments);
    let parts = json!([[layer.join("0"), layer.join("1")]]);
    let image = closure.image(parts, &[], json!({ "maxLayers": 100 }));
    // The library is what most paths refer to; what is least popular is last, with the copies.
    assert_eq!(image.layers[0].paths, names(&[&closure.library]));
    assert_eq!(image.layers[1].paths.len(), 2);
    assert_eq!(member(&image.layers[1].members, "etc/app/key").mode, 0o600);

    // Fewer paths than layers.
    let arguments = json!({ "paths": [closure.library], "maxLayers": 4 });
    let layer = closure.layer("few", arguments);
    let parts: Vec<PathBuf> = (0..4).map(|part| layer.join(part.to_string())).collect();
    let image = closure.image(json!([parts]), &[], json!({ "maxLayers": 2 }));
    assert_eq!(image.layers.len(), 2);
    assert_eq!(image.layers[0].paths, names(&[&closure.library]));
}

#[test]
fn the_history_says_what_was_asked_for() {
    let closure = Closure::new();
    let history = json!({ "createdBy": "make", "author": "me", "comment": "mine" });
    let told = closure.layer("told", json!({ "paths": [closure.library], "history": history }));
    let named = json!({ "createdBy": "nix2container" });
    let listed =
        closure.layer("listed", json!({ "copyToRoot": closure.copied(), "history": named, "below": [told] }));
    let out = closure.store.folder().join("image.tar");
    let arguments = json!({ "layers": [told, listed] });
    let root = closure.store.empty_root();
    run(&mut closure.store.build(&closure.store.image("archive", &root, &[], arguments), &out)).ok();
    let image = support::look_at_others(&out);
    let entries = &image.config["history"];
    let created = "1970-01-01T00:00:01Z";
    let expected = json!({ "created": created, "created_by": "make", "author": "me", "comment": "mine" });
    assert_eq!(entries[0], expected);
    let paths = format!("store paths: ['{}']", closure.program.display());
    assert_eq!(entries[1], json!({ "created": created, "created_by": "nix2container", "comment": paths }));
    assert_eq!(entries[2]["created_by"], "gantry");
}

#[test]
fn copies_go_where_links_of_the_base_lead() {
    let closure = Closure::new();
    let made = MadeImages::new();
    let usr = closure.store.folder().join("usr");
    std::fs::create_dir_all(usr.join("usr/bin")).expect("a directory");
    std::os::unix::fs::symlink("usr/bin", usr.join("bin")).expect("a link");
    let usr = MadeLayer::plain(tar_of(&usr, &["usr", "bin"]));
    made.tag("1", made.image("linux/amd64", &[usr], json!({})));
    let base = made.folder.path();
    let links = closure.store.path("links");
    let attributes = json!({
        "gantry": { "kind": "directory-links", "arguments": { "fromImage": base, "architecture": "amd64" } } });
    run(&mut closure.store.build(&attributes, &links)).ok();
    let rules = json!([{ "source": closure.files, "regex": "/bin/tool", "mode": "0700" }]);
    let arguments = json!({
        "copyToRoot": closure.copied(), "fromImage": base, "directoryLinks": links, "perms": rules });
    let layer = closure.layer("layer", arguments);
    let blob = layer.join("blob").display().to_string();
    let listed = output("tar", &["-tvf", &blob, "./usr/bin/tool"]);
    assert!(listed.starts_with("-rwx------ root/root"), "{listed}");
}
