//! `includeNixDB`: the unpacked image is a store that Nix itself finds nothing wrong with.

mod support;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Nix, Ran, look, output, packages, run};

/// Builds an image as a layout and unpacks it.
#[track_caller]
fn unpacked(nix: &Nix, name: &str, arguments: &str) -> PathBuf {
    let expression = format!(
        "{} builtins.ociImage ({{ name = \"app\"; tag = \"1\"; format = \"layout\"; }} // {{ {arguments} }})",
        packages()
    );
    let layout = nix.built(&expression);
    // A layout links to explicit layers, by their names in the store.
    let script = format!("umoci unpack --image '{}:1' '{name}' >&2", layout.display());
    run(&mut nix.in_store(&script)).ok();
    nix.folder().join(name).join("rootfs")
}

/// `nix-store` on an unpacked image as a store.
fn nix_store(root: &Path, arguments: &[&str]) -> Ran {
    run(Command::new("nix-store")
        .arg("--store")
        .arg(root)
        .args(arguments)
        .env("NIX_CONFIG", "substituters =\nbuild-users-group =\n")
        .env("NIX_CONF_DIR", "/nonexistent")
        .env_remove("NIX_REMOTE"))
}

/// Every path's hash is right, and there is none in the store that the database does not know.
#[track_caller]
fn assert_verifies(root: &Path) -> BTreeSet<String> {
    let verified = nix_store(root, &["--verify", "--check-contents"]);
    let complaints: Vec<&str> = verified
        .stderr
        .lines()
        .filter(|line| {
            ![
                "reading the Nix store",
                "checking path existence",
                "checking link hashes",
                "checking store hashes",
            ]
            .iter()
            .any(|usual| line.starts_with(usual))
        })
        .collect();
    assert_eq!(complaints, Vec::<&str>::new());
    verified.ok();
    let there: BTreeSet<String> = std::fs::read_dir(root.join("nix/store"))
        .expect("a store")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .filter(|name| !name.starts_with('.'))
        .map(|name| format!("/nix/store/{name}"))
        .collect();
    let known: BTreeSet<String> = nix_store(
        root,
        &["--query", "--requisites"]
            .iter()
            .copied()
            .chain(there.iter().map(String::as_str))
            .collect::<Vec<_>>(),
    )
    .ok()
    .lines()
    .map(str::to_string)
    .collect();
    assert_eq!(known, there);
    there
}

fn database(root: &Path) -> PathBuf {
    root.join("nix/var/nix/db/db.sqlite")
}

#[test]
fn nix_verifies_every_path_of_an_image_and_knows_its_references() {
    let nix = Nix::new();
    let root = unpacked(&nix, "image", "contents = debian.roots; includeNixDB = true;");
    let paths = assert_verifies(&root);
    assert!(paths.len() > 20, "{paths:?}");
    for path in &paths {
        for what in ["--references", "--hash", "--size"] {
            let in_image = nix_store(&root, &["--query", what, path]).ok();
            let outside = run(nix.command("nix-store").args(["--query", what, path])).ok();
            let sorted = |text: &str| text.lines().map(str::to_string).collect::<BTreeSet<_>>();
            assert_eq!(sorted(&in_image), sorted(&outside), "{what} {path}");
        }
    }
}

#[test]
fn contents_are_roots_of_the_garbage_collector_and_the_rest_goes() {
    let nix = Nix::new();
    let arguments = r#"contents = [ (package "kept" "mkdir $out; echo > $out/kept") ];
        config.Env = [ "GONE=${package "gone" "mkdir $out; echo > $out/gone"}" ]; includeNixDB = true;"#;
    let root = unpacked(&nix, "image", arguments);
    assert_eq!(assert_verifies(&root).len(), 2);
    nix_store(&root, &["--gc"]).ok();
    let left = assert_verifies(&root);
    assert!(left.len() == 1 && left.iter().all(|path| path.ends_with("-kept")), "{left:?}");
}

#[test]
fn the_paths_of_explicit_layers_are_known_as_well() {
    let nix = Nix::new();
    let arguments = "layers = [ [ debian.pkgs.libc6 ] debian.pkgs.zlib1g ]; contents = debian.roots; includeNixDB = true;";
    let root = unpacked(&nix, "image", arguments);
    let paths = assert_verifies(&root);
    assert!(paths.iter().any(|path| path.contains("-libc6-")), "{paths:?}");
}

#[test]
fn a_bases_database_is_merged_and_not_shadowed() {
    let nix = Nix::new();
    let below = r#"builtins.ociImage { name = "base"; tag = "1"; format = "layout"; includeNixDB = true;
        contents = [ debian.pkgs.zlib1g ]; }"#;
    let arguments = format!(
        r#"fromImage = {below}; includeNixDB = true; contents = [ (package "top" "mkdir $out; echo ${{debian.pkgs.libc6}} > $out/top") ];"#
    );
    let root = unpacked(&nix, "image", &arguments);
    let paths = assert_verifies(&root);
    for part in ["-zlib1g-", "-libc6-", "-top"] {
        assert!(paths.iter().any(|path| path.contains(part)), "{part}: {paths:?}");
    }
    let roots: Vec<PathBuf> = std::fs::read_dir(root.join("nix/var/nix/gcroots/docker"))
        .expect("roots")
        .map(|entry| std::fs::read_link(entry.expect("an entry").path()).expect("a link"))
        .collect();
    assert_eq!(roots.len(), 2, "{roots:?}");
}

#[test]
fn a_base_that_nix_itself_has_filled_is_taken_in_with_its_write_ahead_log() {
    let nix = Nix::new();
    // A store as Nix makes it, database open and written to.
    let file = nix.folder().write("file", "added by Nix");
    let store = nix.folder().join("filled");
    let added = nix_store(&store, &["--add", &file.display().to_string()]).ok();
    let connection = "import sqlite3, sys, os\nc = sqlite3.connect(sys.argv[1])\nassert c.execute('pragma journal_mode = wal').fetchone() == ('wal',)\n\
         c.execute('pragma wal_autocheckpoint = 0')\nc.execute(\"update ValidPaths set ultimate = 1\"); c.commit()\n\
         os.system(sys.argv[2])";
    // While it is open, what was written last is in the log alone.
    let pack = format!("tar -C {} -cf {} nix", store.display(), nix.folder().join("layer.tar").display());
    output("python3", &["-c", connection, &database(&store).display().to_string(), &pack]);
    let listed = output("tar", &["-tf", &nix.folder().join("layer.tar").display().to_string()]);
    assert!(listed.contains("db.sqlite-wal"), "{listed}");

    let base = nix.folder().join("base");
    let script =
        r#"umoci init --layout "$0"; umoci new --image "$0:b"; umoci raw add-layer --image "$0:b" "$1""#;
    output(
        "sh",
        &["-euc", script, &base.display().to_string(), &nix.folder().join("layer.tar").display().to_string()],
    );
    let arguments =
        format!("fromImage = {}; includeNixDB = true; contents = [ debian.pkgs.zlib1g ];", base.display());
    let root = unpacked(&nix, "image", &arguments);
    let paths = assert_verifies(&root);
    assert!(paths.contains(&added), "{paths:?}");
    let ultimate = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('select ultimate from ValidPaths where path = ?', (sys.argv[2],)).fetchone()[0])";
    assert_eq!(output("python3", &["-c", ultimate, &database(&root).display().to_string(), &added]), "1");
}

#[test]
fn the_database_is_a_function_of_the_closure() {
    let arguments = "contents = [ debian.pkgs.zlib1g ]; includeNixDB = true;";
    let [first, second] = [0, 1].map(|number| {
        let nix = Nix::new();
        let root = unpacked(&nix, &format!("image-{number}"), arguments);
        std::fs::read(database(&root)).expect("a database")
    });
    assert!(first == second, "two builds differ");
}

#[test]
fn it_belongs_to_whom_its_directory_belongs_to() {
    let nix = Nix::new();
    let owners = [
        ("by-argument", "uid = 1000; gid = 100;"),
        ("by-rule", "perms = [ { path = \"/nix/var/**\"; uid = 1000; gid = 100; } ];"),
        (
            "by-script",
            "shell = \"${busybox}/bin/sh\"; fakeRootCommands = \"${busybox}/bin/busybox chown -R 1000:100 nix/var\";",
        ),
    ];
    for (name, owner) in owners {
        let root =
            unpacked(&nix, name, &format!("contents = [ debian.pkgs.zlib1g ]; includeNixDB = true; {owner}"));
        let metadata = std::fs::metadata(database(&root)).expect("a database");
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (1000, 100, 0o644), "{name}");
    }
}

#[test]
fn one_layer_for_all_and_streams_have_it_too() {
    let nix = Nix::new();
    let arguments = "contents = [ debian.pkgs.zlib1g ]; includeNixDB = true; maxLayers = 1;";
    assert_verifies(&unpacked(&nix, "one", arguments));
    let image = |format: &str| {
        let arguments =
            "name = \"app\"; tag = \"1\"; contents = [ debian.pkgs.zlib1g ]; includeNixDB = true;";
        nix.built(&format!("{} builtins.ociImage {{ {arguments} format = \"{format}\"; }}", packages()))
    };
    let archive = image("archive");
    let stream = image("stream");
    let script = format!(
        "{} > streamed",
        stream
            .strip_prefix(nix.store())
            .map_or_else(|_| stream.display().to_string(), |path| format!("/{}", path.display()))
    );
    run(&mut nix.in_store(&script)).ok();
    let streamed = nix.folder().join("streamed");
    assert_eq!(look(&streamed).digest, look(&archive).digest);
    assert!(std::fs::read(streamed).expect("a stream") == std::fs::read(archive).expect("an archive"));
}
