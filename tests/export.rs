//! `gantry export` and the builder of `exportImage`: an image as one tar, compared with what umoci unpacks (owner,
//! mode, time, content, extended attributes, hard links), read by CPython's tarfile.

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use support::{
    Folder, MadeImages, MadeLayer, Nix, Ran, docker_less_run, gantry, output, packages, quoted, run, sha256,
    unpack,
};

/// Names, in hexadecimal digits, and what they are.
type Tree = BTreeMap<String, Value>;

#[track_caller]
fn oracle<T: serde::de::DeserializeOwned>(command: &str, path: &Path) -> T {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/export.py");
    serde_json::from_str(&output(script, &[Path::new(command), path])).expect("a map")
}

fn export(image: &Path, out: &Path) -> Ran {
    run(Command::new(gantry()).arg("export").arg(image).arg("--output").arg(out))
}

/// The tree of a layout's image as umoci unpacks it, if it does.
fn unpacked(layout: &Path, into: &Path) -> Option<Tree> {
    let image = format!("{}:1", layout.display());
    let ran = run(Command::new("umoci").args(["unpack", "--image", &image]).arg(into));
    (ran.code == Some(0)).then(|| oracle("walk", &into.join("rootfs")))
}

/// Directories that no layer says anything of are of 1970 with gantry, and of now with umoci.
fn without_times_of_nobody(mut tree: Tree, ours: &Tree) -> Tree {
    for (name, entry) in &mut tree {
        if ours.get(name).is_some_and(|ours| ours["mtime"] == 0) {
            entry["mtime"] = json!(0);
        }
    }
    tree
}

#[track_caller]
fn assert_same(what: &str, ours: &Tree, theirs: Tree) {
    let theirs = without_times_of_nobody(theirs, ours);
    let text = |name: &String| {
        let bytes: Vec<u8> = (0..name.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&name[i..i + 2], 16).expect("digits"))
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    for name in ours.keys().chain(theirs.keys()) {
        assert_eq!(ours.get(name), theirs.get(name), "{what}: {}", text(name));
    }
}

#[test]
fn layers_that_try_to_get_out_are_refused_or_unpacked_as_umoci_does() {
    let folder = Folder::new();
    let images: BTreeMap<String, String> = oracle("images", folder.path());
    let mut compared = 0;
    for (name, refusal) in &images {
        let (image, out) = (folder.join(name), folder.join(format!("{name}.tar")));
        let ran = export(&image, &out);
        if !refusal.is_empty() {
            let error = ran.err();
            assert!(error.contains(refusal) && error.lines().count() == 1, "{name}: {error}");
            assert!(!out.exists(), "{name}");
            continue;
        }
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.stderr);
        let ours: Tree = oracle("tar", &out);
        if let Some(theirs) = unpacked(&image, &folder.join("unpacked").join(name)) {
            assert_same(name, &ours, theirs);
            compared += 1;
        }
    }
    // Debian 12's umoci takes all but those few that it says no to itself.
    let accepted = images.values().filter(|refusal| refusal.is_empty()).count();
    assert!(compared + 6 >= accepted, "umoci unpacked {compared} of {accepted}");
    assert!(!Path::new("/tmp/escaped").exists());
}

#[test]
fn an_image_of_debian_packages_is_as_umoci_unpacks_it_and_runs() {
    let nix = Nix::new();
    let folder = nix.folder();
    for compression in ["none", "gzip"] {
        let image = nix.built(&format!(
            r#"{} builtins.ociImage {{ name = "all"; tag = "1"; contents = debian.all; maxLayers = 8;
               format = "layout"; compression = "{compression}"; uid = 1000; uname = "me"; }}"#,
            packages()
        ));
        let out = folder.join(format!("{compression}.tar"));
        export(&image, &out).ok();
        let ours: Tree = oracle("tar", &out);
        assert!(ours.len() > 1000, "{}", ours.len());
        let theirs = unpacked(&image, &folder.join(compression)).expect("an unpacked image");
        assert_same(compression, &ours, theirs);
    }
    let tars = ["none", "gzip"].map(|name| fs::read(folder.join(format!("{name}.tar"))).expect("a file"));
    assert!(tars[0] == tars[1]);
    let root = folder.join("root");
    fs::create_dir(&root).expect("a directory");
    run(Command::new("tar").arg("-xf").arg(folder.join("none.tar")).arg("-C").arg(&root)).ok();
    assert_eq!(docker_less_run(&root, &["/usr/bin/python3", "-c", "print(6 * 7)"]).ok(), "42");
}

/// The layout of an image with two layers, `etc/a` and `etc/b`.
fn two_layers() -> (MadeImages, PathBuf) {
    let images = MadeImages::new();
    let layers = [MadeLayer::file("etc/a", "a"), MadeLayer::file("etc/b", "b")];
    images.tag("1", images.image("linux/amd64", &layers, json!({})));
    let path = images.folder.path().to_path_buf();
    (images, path)
}

#[test]
fn every_container_gives_the_same_tar() {
    let (_images, layout) = two_layers();
    let folder = Folder::new();
    let skopeo = |to: String| {
        let from = format!("oci:{}:1", layout.display());
        run(Command::new("skopeo").args(["copy", "-q", "--insecure-policy", &from, &to])).ok();
    };
    let name = |name: &str| folder.join(name);
    skopeo(format!("oci-archive:{}:1", name("oci.tar").display()));
    skopeo(format!("docker-archive:{}:a:1", name("docker.tar").display()));
    for file in ["oci.tar", "docker.tar"] {
        run(Command::new("gzip").args(["-9nk"]).arg(name(file))).ok();
    }
    export(&layout, &name("expected")).ok();
    let expected = fs::read(name("expected")).expect("a file");
    for image in ["oci.tar", "docker.tar", "oci.tar.gz", "docker.tar.gz"] {
        // To standard output, in another time zone and locale and with another umask.
        let script = "umask 077; exec \"$0\" export \"$1\"";
        let mut command = Command::new("sh");
        command
            .args(["-c", script])
            .arg(gantry())
            .arg(name(image))
            .env("TZ", "Asia/Tokyo")
            .env("LC_ALL", "tr_TR");
        let ran = command.output().expect("a program");
        assert!(ran.status.success() && ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
        assert!(ran.stdout == expected, "{image}");
    }
    let listed = output("tar", &["-tf", name("expected").to_str().expect("UTF-8")]);
    assert_eq!(listed, "./\n./etc/\n./etc/a\n./etc/b");
    assert_eq!(expected.len() % 10240, 0);
}

#[test]
fn what_is_there_already_stays() {
    let (_images, layout) = two_layers();
    let folder = Folder::new();
    let out = folder.write("out", "mine");
    assert!(export(&layout, &out).err().contains("exists already"));
    assert_eq!(fs::read_to_string(&out).expect("a file"), "mine");
    assert!(export(&layout, &folder.join("missing/out")).err().contains("No such file"));
    assert!(export(&folder.join("missing"), &folder.join("new")).err().contains("No such file"));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

#[test]
fn one_of_several_images_is_not_guessed() {
    let images = MadeImages::new();
    let of = |platform: &str| images.image(platform, &[MadeLayer::file("a", platform)], json!({}));
    let index = images.index(&[of("linux/amd64"), of("linux/arm64")]);
    images.tag("1", index);
    let error = export(images.folder.path(), &images.folder.join("out")).err();
    assert!(error.contains("2 images (linux/amd64, linux/arm64), expected one"), "{error}");
}

#[test]
fn a_tar_is_not_written_to_a_terminal_or_a_full_disk() {
    let (_images, layout) = two_layers();
    let image = layout.to_str().expect("UTF-8");
    let command = format!("{} export {image}", gantry().display());
    // script(1) gives it a terminal.
    let ran = run(Command::new("script").args(["-qec", &command, "/dev/null"]).stdin(Stdio::null()));
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("use --output FILE"), "{}", ran.stdout);
    let full = run(Command::new("sh").args(["-c", &format!("{command} >/dev/full")])).err();
    assert!(full.contains("cannot write standard output: No space left on device"), "{full}");
}

/// A layout with one layer: a file of `size` zeros, which takes no place on the disk.
fn large(size: u64, diff_id: &str) -> MadeImages {
    let images = MadeImages::new();
    let mut header = support::tar(&[("large", b"")])[512..1024].to_vec();
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let media_type = "application/vnd.oci.image.layer.v1.tar".into();
    let layer = MadeLayer { media_type, bytes: header, diff_id: diff_id.into() };
    let digest = layer.digest();
    let mut image = images.image("linux/amd64", &[layer], json!({}));
    // The blob is longer than its descriptor says so far.
    let manifest =
        String::from_utf8(images.read(image["digest"].as_str().expect("a digest"))).expect("UTF-8");
    let manifest = manifest.replace("\"size\":512", &format!("\"size\":{}", size + 512));
    let platform = image["platform"].take();
    image = images.blob("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes());
    image["platform"] = platform;
    images.tag("1", image);
    let blob = images.folder.join(format!("blobs/sha256/{}", &digest[7..]));
    let file = File::options().write(true).open(blob).expect("a blob");
    file.set_len(size + 512).expect("a long file");
    file.sync_all().expect("a file");
    images
}

#[test]
fn an_interrupted_export_leaves_nothing() {
    let images = large(7 << 30, &sha256(b""));
    let folder = Folder::new();
    let mut child = Command::new(gantry())
        .args(["export", "-o"])
        .arg(folder.join("out"))
        .arg(images.folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a program");
    std::thread::sleep(Duration::from_millis(500));
    output("kill", &["-INT", &child.id().to_string()]);
    assert_eq!(child.wait().expect("an end").code(), Some(130));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn memory_does_not_grow_with_files() {
    // 300 MB in a gzip layer of 300 kB, with 64 MiB of memory.
    let folder = Folder::new();
    fs::create_dir(folder.join("root")).expect("a directory");
    File::create(folder.join("root/zeros")).and_then(|file| file.set_len(300 << 20)).expect("a file");
    let images = MadeImages::new();
    let layer = MadeLayer::gzip(&support::tar_of(&folder.join("root"), &["."]));
    assert!(layer.bytes.len() < 1 << 20);
    images.tag("1", images.image("linux/amd64", &[layer], json!({})));
    let out = folder.join("out");
    let limit = format!("--as={}", 64 << 20);
    run(Command::new("prlimit")
        .arg(limit)
        .arg(gantry())
        .args(["export", "-o"])
        .arg(&out)
        .arg(images.folder.path()))
    .ok();
    let mut end = [1; 512];
    File::open(&out).expect("a file").read_exact_at(&mut end, 300 << 20).expect("that long");
    assert_eq!(end, [0; 512]);
}

#[test]
fn a_derivation_makes_the_same_tar() {
    let nix = Nix::new();
    let (_images, layout) = two_layers();
    let expected = nix.folder().join("expected");
    export(&layout, &expected).ok();
    let built = nix.built(&format!(
        r#"derivation {{
          name = "flat.tar"; system = builtins.currentSystem; __structuredAttrs = true;
          builder = builtins.path {{ path = {}; name = "gantry"; }}; args = [ "build" ];
          gantry = {{ kind = "export"; image = builtins.path {{ path = {}; name = "image"; }}; }};
        }}"#,
        quoted(&gantry()),
        quoted(&layout)
    ));
    assert!(fs::read(built).expect("a file") == fs::read(expected).expect("a file"));
}

#[test]
fn what_was_exported_is_a_layer_of_the_same_files() {
    let (_images, layout) = two_layers();
    let folder = Folder::new();
    export(&layout, &folder.join("flat.tar")).ok();
    let images = MadeImages::new();
    let layer = MadeLayer::zstd(&fs::read(folder.join("flat.tar")).expect("a file"));
    images.tag("1", images.image("linux/amd64", &[layer], json!({})));
    export(images.folder.path(), &folder.join("again.tar")).ok();
    let tars = ["flat.tar", "again.tar"].map(|name| fs::read(folder.join(name)).expect("a file"));
    assert!(tars[0] == tars[1]);
    let root = unpack(&format!("{}:1", layout.display()), &folder.join("unpacked"));
    assert_eq!(fs::read_to_string(root.join("etc/b")).expect("a file"), "b");
}
