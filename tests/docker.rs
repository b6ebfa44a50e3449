//! Docker itself: what `docker load` makes of images, what runs in them, and what Docker saves as a base.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use support::{Docker, Nix, gantry, look, output, packages, quoted, run};

/// busybox with links for the programs that are used, in `/bin`.
const TOOLS: &str = r#"(package "tools" "mkdir -p $out/bin; for p in sh ls cat id stat echo; do ln -s ${busybox}/bin/busybox $out/bin/$p; done")"#;

/// An image called `app:1`, expressions' texts.
fn image(arguments: &str) -> String {
    format!(
        "{} builtins.ociImage ({{ name = \"app\"; tag = \"1\"; shell = busybox; path = [ {TOOLS} busybox ]; }} // {{ {arguments} }})",
        packages()
    )
}

/// What Docker has to know of an image that it has loaded.
#[track_caller]
fn assert_is_loaded(docker: &Docker, archive: &Path) {
    let (expected, found) = (look(archive), docker.inspect("app:1"));
    assert_eq!(found["Id"], expected.manifest["config"]["digest"]);
    assert_eq!(found["RootFS"]["Layers"], expected.config["rootfs"]["diff_ids"]);
    assert_eq!(found["Created"], "1970-01-01T00:00:01Z");
    assert_eq!(found["Config"]["Cmd"], json!(["echo", "it runs"]));
    assert_eq!(docker.run("app:1", &[]).ok(), "it runs");
}

#[test]
fn archives_of_every_kind_are_loaded_and_run() {
    let (nix, docker) = (Nix::new(), Docker::start());
    let arguments = format!("contents = {TOOLS}; config.Cmd = [ \"echo\" \"it runs\" ];");
    let plain = nix.built(&image(&arguments));
    for more in ["", "compressor = \"gz\";", "maxLayers = 1;"] {
        let archive = nix.built(&image(&format!("{arguments} {more}")));
        let plain = nix.built(&image(&format!("{arguments} {} ", more.replace("compressor = \"gz\";", ""))));
        assert_eq!(docker.load(&archive), "Loaded image: app:1", "{more}");
        assert_is_loaded(&docker, &plain);
        docker.command(&["image", "rm", "--force", "app:1"]).ok();
    }
    let stream = run(nix.command("nix-build").args([
        "--no-out-link",
        "--expr",
        &image(&format!("{arguments} format = \"stream\";")),
    ]))
    .ok();
    assert_eq!(run(&mut nix.in_store(&docker.load_command(&stream))).ok(), "Loaded image: app:1");
    assert_is_loaded(&docker, &plain);
}

#[test]
fn merged_images_are_all_there() {
    let (nix, docker) = (Nix::new(), Docker::start());
    let first = nix.built(&image(&format!("contents = {TOOLS}; config.Cmd = [ \"echo\" \"first\" ];")));
    let second = nix.built(&image(&format!(
        "name = \"registry.example/second\"; contents = {TOOLS}; config.Cmd = [ \"echo\" \"second\" ]; "
    )));
    let merged = nix.folder().join("merged.tar");
    run(Command::new(gantry()).arg("merge").args([&first, &second]).arg("-o").arg(&merged)).ok();
    docker.load(&merged);
    assert_eq!(docker.run("app:1", &[]).ok(), "first");
    assert_eq!(docker.run("registry.example/second:1", &[]).ok(), "second");
}

/// Name to type, mode, owner, device and link of what is in a tar; without what Docker mounts things on. (In modes
/// Docker repeats the type.)
fn members(tar: &Path) -> BTreeMap<String, String> {
    let script = "import sys, tarfile, json\nprint(json.dumps({t.name.removeprefix('./').rstrip('/'): f'{t.type} {t.mode & 0o7777:o} {t.uid}:{t.gid} {t.devmajor},{t.devminor} {t.linkname if t.issym() else \"\"}' for t in tarfile.open(sys.argv[1])}))";
    let listed = output("/usr/bin/python3", &["-c", script, tar.to_str().expect("UTF-8")]);
    let mut members: BTreeMap<String, String> = serde_json::from_str(&listed).expect("a map");
    let mounted = [
        "",
        ".",
        ".dockerenv",
        "dev",
        "proc",
        "sys",
        "etc",
        "etc/hosts",
        "etc/hostname",
        "etc/mtab",
        "etc/resolv.conf",
    ];
    members.retain(|name, _| !mounted.contains(&name.as_str()) && !name.starts_with("dev/"));
    members
}

#[test]
fn docker_sees_what_scripts_made_and_deleted_as_gantry_exports_it() {
    let (nix, docker) = (Nix::new(), Docker::start());
    let base = r#"(builtins.ociImage { name = "base"; shell = busybox; path = busybox;
        runAsRoot = "mkdir -p /usr/bin /opt/gone /opt/again /srv; ln -s usr/bin /bin; echo 1 > /opt/gone/a; echo 2 > /opt/again/b; echo 3 > /srv/c"; })"#;
    let arguments = format!(
        r#"fromImage = {base}; contents = {TOOLS}; users.app.uid = 1000; directories."/tmp".mode = "1777";
        runAsRoot = "rm -r /opt/gone /opt/again /srv/c; mkdir /opt/again; echo 4 > /opt/again/d; echo 5 > /srv/su; chown 5:6 /srv/su; chmod 6755 /srv/su; mknod /srv/null c 1 3; mkfifo /srv/fifo; ln -s nowhere /srv/link; chown -h 7:8 /srv/link";
        config.User = "app"; config.Cmd = [ "/bin/stat" "-c" "%a:%u:%g" "/srv/su" ];"#
    );
    let archive = nix.built(&image(&arguments));
    docker.load(&archive);
    assert_eq!(docker.run("app:1", &[]).ok(), "6755:5:6");
    assert_eq!(
        docker.run("app:1", &["/bin/sh", "-c", "id -u; ls /opt /opt/again /srv"]).ok(),
        "1000\n/opt:\nagain\n\n/opt/again:\nd\n\n/srv:\nfifo\nlink\nnull\nsu"
    );
    let container = docker.command(&["create", "--network=none", "app:1"]).ok();
    let (of_docker, ours) = (nix.folder().join("docker.tar"), nix.folder().join("gantry.tar"));
    docker.command(&["export", "--output", of_docker.to_str().expect("UTF-8"), &container]).ok();
    run(Command::new(gantry()).arg("export").arg(&archive).arg("-o").arg(&ours)).ok();
    let expected = members(&of_docker);
    assert!(expected.contains_key("srv/null") && expected.len() > 20, "{expected:?}");
    assert_eq!(members(&ours), expected);
}

#[test]
fn what_docker_saves_is_a_base_for_scripts() {
    let (nix, docker) = (Nix::new(), Docker::start());
    docker.load(&nix.built(&image(&format!("contents = {TOOLS}; config.Env = [ \"BASE=1\" ];"))));
    let container = docker.command(&["create", "--network=none", "app:1", "/bin/sh"]).ok();
    docker.command(&["commit", &container, "saved:1"]).ok();
    let saved = nix.folder().join("saved.tar");
    docker.command(&["save", "--output", saved.to_str().expect("UTF-8"), "saved:1"]).ok();
    let arguments = format!(
        "fromImage = builtins.path {{ path = {}; name = \"saved\"; }}; runAsRoot = \"test -L /bin/ls; echo on-top > /made\"; config.Cmd = [ \"/bin/cat\" \"/made\" ];",
        quoted(&saved)
    );
    docker.load(&nix.built(&image(&arguments)));
    assert_eq!(docker.run("app:1", &[]).ok(), "on-top");
    assert_eq!(docker.inspect("app:1")["Config"]["Env"], json!(["BASE=1"]));
}
