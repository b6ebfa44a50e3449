//! The docker-archive against skopeo's own, byte for byte, and against a Python program written from the
//! format's rules; what must be refused, and how it is told.

mod support;

#[path = "docker_archive/blobs.rs"]
mod blobs;

use std::fs::{self, File};
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use gantry::digest::Digest;
use gantry::image::{Descriptor, Manifest};
use gantry::layer::{Progress, Silent};
use gantry::output::docker_archive::{Destination, DockerArchive, Limits, ReadSeek};
use gantry::output::{OutputError, Place};
use serde_json::{Value, json};
use support::{Folder, json as parse, output, run};

const ORACLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/docker_archive.py");
const LIMITS: Limits = Limits { threads: 2, size: 1 << 30 };

/// An image of files, as the oracle makes them.
struct Made(Value);

impl Made {
    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap()
    }

    fn write(&self, to: &Path, limits: Limits) {
        let blobs = PathBuf::from(self.text("blobs"));
        let open = |descriptor: &Descriptor| -> io::Result<Box<dyn ReadSeek + Send>> {
            Ok(Box::new(File::open(blobs.join(descriptor.digest.hex()))?))
        };
        let archive = DockerArchive {
            manifest: &serde_json::from_slice(&fs::read(self.text("manifest")).unwrap()).unwrap(),
            config: &fs::read(self.text("config")).unwrap(),
            destination: &self.text("destination").parse().unwrap(),
            open: &open,
        };
        archive
            .write(to, Place::Beside, limits, &Silent)
            .unwrap_or_else(|e| panic!("{}: {e}", self.text("name")));
    }
}

fn images(folder: &Folder) -> Vec<Made> {
    let list = output("python3", &[ORACLE, "images", folder.path().to_str().unwrap()]);
    parse(&list).as_array().unwrap().iter().cloned().map(Made).collect()
}

#[track_caller]
fn same(name: &str, ours: &Path, theirs: &Path) {
    let (ours, theirs) = (fs::read(ours).unwrap(), fs::read(theirs).unwrap());
    let first = ours.iter().zip(&theirs).position(|(a, b)| a != b);
    assert!(ours == theirs, "{name}: {} and {} bytes, differ at {first:?}", ours.len(), theirs.len());
}

#[test]
fn archives_are_skopeos_byte_for_byte() {
    let folder = Folder::new();
    let made = images(&folder);
    assert!(made.len() >= 50);
    for image in made {
        let name = image.text("name");
        let (ours, theirs) = (folder.join(format!("{name}.ours")), folder.join(format!("{name}.skopeo")));
        image.write(&ours, LIMITS);
        let destination = format!("docker-archive:{}:{}", theirs.display(), image.text("destination"));
        output("skopeo", &["--insecure-policy", "copy", "-q", image.text("source"), &destination]);
        same(name, &ours, &theirs);
        let by_rules = folder.join(format!("{name}.oracle"));
        output("python3", &[ORACLE, "archive", &image.0.to_string(), by_rules.to_str().unwrap()]);
        same(name, &ours, &by_rules);
        for file in [ours, theirs, by_rules] {
            fs::remove_file(file).unwrap();
        }
    }
}

#[test]
fn the_bytes_do_not_depend_on_threads() {
    let folder = Folder::new();
    for image in images(&folder).iter().filter(|image| image.text("name").starts_with("multi-member")) {
        let [one, many] = ["one", "many"].map(|n| folder.join(format!("{}.{n}", image.text("name"))));
        image.write(&one, Limits { threads: 1, ..LIMITS });
        image.write(&many, Limits { threads: 100, ..LIMITS });
        same(image.text("name"), &one, &many);
    }
}

/// An image in memory: blobs, and a configuration that is right unless it is changed.
struct Small {
    blobs: Vec<Vec<u8>>,
    config: Vec<u8>,
}

fn config(diff_ids: &[Digest]) -> Value {
    json!({ "os": "linux", "rootfs": { "type": "layers", "diff_ids": diff_ids } })
}

fn small(layers: &[(&[u8], &[u8])]) -> Small {
    let diff_ids: Vec<Digest> = layers.iter().map(|(_, content)| Digest::of(content)).collect();
    Small {
        blobs: layers.iter().map(|(blob, _)| blob.to_vec()).collect(),
        config: config(&diff_ids).to_string().into_bytes(),
    }
}

impl Small {
    fn manifest(&self) -> Manifest {
        let layers: Vec<Value> = self
            .blobs
            .iter()
            .map(|blob| json!({ "mediaType": "any", "digest": Digest::of(blob), "size": blob.len() }))
            .collect();
        serde_json::from_value(json!({
            "schemaVersion": 2,
            "config": { "mediaType": "any", "digest": Digest::of(&self.config), "size": self.config.len() },
            "layers": layers,
        }))
        .unwrap()
    }

    fn write_to(
        &self,
        path: &Path,
        place: Place,
        limits: Limits,
        progress: &dyn Progress,
    ) -> Result<(), String> {
        let open = |descriptor: &Descriptor| -> io::Result<Box<dyn ReadSeek + Send>> {
            let found = self.blobs.iter().find(|blob| Digest::of(blob) == descriptor.digest);
            Ok(Box::new(Cursor::new(found.unwrap().clone())))
        };
        let (manifest, destination) = (self.manifest(), "a:b".parse::<Destination>().unwrap());
        let archive = DockerArchive {
            manifest: &manifest,
            config: &self.config,
            destination: &destination,
            open: &open,
        };
        archive.write(path, place, limits, progress).map_err(|e| e.to_string())
    }

    /// The error; nothing may be left behind.
    #[track_caller]
    fn error(&self, limits: Limits) -> String {
        let folder = Folder::new();
        let mut errors = [Place::Beside, Place::Direct].map(|place| {
            let error = self.write_to(&folder.join("x.tar"), place, limits, &Silent).unwrap_err();
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{error}");
            error
        });
        errors.sort();
        assert_eq!(errors[0], errors[1]);
        errors[0].clone()
    }

    #[track_caller]
    fn ok(&self) {
        let folder = Folder::new();
        self.write_to(&folder.join("x.tar"), Place::Direct, LIMITS, &Silent).unwrap();
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn filter(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let folder = Folder::new();
    let file = File::open(folder.write("input", input)).unwrap();
    let output = Command::new(program).args(arguments).stdin(file).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

/// Bytes that compress to about a half.
fn content(size: usize) -> Vec<u8> {
    let mut state = 1u32;
    (0..size)
        .map(|i| {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            if i / 64 % 2 == 0 { (state >> 24) as u8 } else { 0 }
        })
        .collect()
}

#[test]
fn diff_ids_must_be_the_layers_own() {
    // skopeo takes all of these.
    let (a, b) = (gzip(b"a"), gzip(b"b"));
    let mut image = small(&[(&a, b"a"), (&b, b"b")]);
    let expected = Digest::of(b"c");
    image.config = config(&[Digest::of(b"a"), expected]).to_string().into_bytes();
    assert_eq!(
        image.error(LIMITS),
        format!(
            "layer 2 ({}) has the diff_id {}, but the configuration says {expected}",
            Digest::of(&b),
            Digest::of(b"b")
        )
    );
    for count in [0, 1, 3] {
        image.config = config(&vec![Digest::of(b"a"); count]).to_string().into_bytes();
        let error = image.error(LIMITS);
        assert_eq!(error, format!("the manifest has 2 layers, but the configuration has {count} diff_ids"));
    }
    // One blob as two layers, one other content twice as two blobs.
    let mut image = small(&[(&a, b"a"), (&a, b"a")]);
    image.config = config(&[Digest::of(b"a"), expected]).to_string().into_bytes();
    assert!(image.error(LIMITS).starts_with("layer 2 "));
    let mut image = small(&[(&a, b"a"), (&b, b"b")]);
    image.config = config(&[Digest::of(b"a"), Digest::of(b"a")]).to_string().into_bytes();
    assert!(image.error(LIMITS).starts_with("layer 2 "));
}

#[test]
fn configurations_that_name_no_layers_are_refused() {
    let mut image = small(&[(b"a", b"a")]);
    let good = String::from_utf8(image.config.clone()).unwrap();
    for (wrong, why) in [
        ("", "at byte 0: expected an object"),
        ("[]", "at byte 0: expected an object"),
        ("null", "at byte 0: expected an object"),
        ("\u{feff}{}", "at byte 0: expected an object"),
        (&format!("{good}{{}}"), "expected the document's end"),
        (&good[..good.len() - 1], "expected a comma or the object's end"),
        ("{}", "it has no rootfs, which names its layers"),
        (r#"{"rootfs":[]}"#, "rootfs: at byte 0: expected an object"),
        (r#"{"rootfs":{"diff_ids":{}}}"#, "rootfs.diff_ids: at byte 0: expected an array"),
        (r#"{"rootfs":{"diff_ids":[1]}}"#, "rootfs.diff_ids: at byte 0: expected a string"),
        (
            r#"{"rootfs":{"diff_ids":["sha256:../../x"]}}"#,
            r#"rootfs.diff_ids: "sha256:../../x" is not a digest"#,
        ),
        (&format!(r#"{{"a":{}}}"#, "[".repeat(100_000)), "expected no more than 10000 levels"),
    ] {
        image.config = wrong.as_bytes().to_vec();
        let error = image.error(LIMITS);
        assert!(error.starts_with("the image's configuration: "), "{error}");
        assert!(error.contains(why), "{error}: {why}");
    }
    // What Go writes for an image without layers.
    for none in [r#"{"rootfs":{"type":"layers","diff_ids":null}}"#, r#"{"rootfs":{"type":"layers"}}"#] {
        let mut image = small(&[]);
        image.config = none.as_bytes().to_vec();
        image.ok();
    }
    // Env of a wrong type is the user's own business.
    image.config =
        good.replace('{', r#"{"config":{"Env":3},"#).replacen(r#""config":{"Env":3},"#, "", 1).into_bytes();
    image.ok();
}

#[test]
fn another_configuration_than_the_manifests_is_refused() {
    let image = small(&[]);
    let (manifest, destination) = (image.manifest(), "a".parse().unwrap());
    let open = |_: &Descriptor| -> io::Result<Box<dyn ReadSeek + Send>> { unreachable!() };
    let archive =
        DockerArchive { manifest: &manifest, config: b"{}", destination: &destination, open: &open };
    let folder = Folder::new();
    let error = archive.write(&folder.join("x"), Place::Beside, LIMITS, &Silent).unwrap_err().to_string();
    let (found, expected) = (Digest::of(b"{}"), Digest::of(&image.config));
    assert_eq!(error, format!("the configuration has the digest {found}, but the manifest names {expected}"));
}

#[test]
fn a_blob_that_cannot_be_opened_is_named() {
    let image = small(&[(b"a", b"a")]);
    let (manifest, destination) = (image.manifest(), "a".parse().unwrap());
    let open = |_: &Descriptor| -> io::Result<Box<dyn ReadSeek + Send>> {
        Err(io::ErrorKind::PermissionDenied.into())
    };
    let archive =
        DockerArchive { manifest: &manifest, config: &image.config, destination: &destination, open: &open };
    let folder = Folder::new();
    let error = archive.write(&folder.join("x"), Place::Beside, LIMITS, &Silent).unwrap_err().to_string();
    assert_eq!(error, format!("layer 1 ({}): permission denied", Digest::of(b"a")));
}

#[test]
fn an_existing_path_is_left_alone() {
    let folder = Folder::new();
    let path = folder.write("x.tar", "mine");
    let error = small(&[]).write_to(&path, Place::Beside, LIMITS, &Silent).unwrap_err();
    assert_eq!(error, OutputError::Exists(path.clone()).to_string());
    assert_eq!(fs::read(&path).unwrap(), b"mine");
}

struct CancelAfter(AtomicU64);

impl Progress for CancelAfter {
    fn layer(&self, _index: usize, _count: usize) {}
    fn bytes(&self, count: u64) {
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(count)));
    }
    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

#[test]
fn what_is_cancelled_stops_and_leaves_nothing() {
    let data = content(8 << 20);
    let multi = [gzip(&data), gzip(b"")].concat();
    let image = small(&[(&multi, &data), (&gzip(&data[1..]), &data[1..])]);
    for bytes in [0, 1 << 20, 15 << 20, (16 << 20) - 1] {
        let folder = Folder::new();
        let cancel = CancelAfter(AtomicU64::new(bytes));
        let error = image.write_to(&folder.join("x"), Place::Direct, LIMITS, &cancel).unwrap_err();
        assert_eq!(error, "interrupted");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn destinations_are_read_as_skopeo_reads_them() {
    // Refused by skopeo 1.9.3, too (see the images for those that it takes).
    let long = format!("{}:1", "a".repeat(260));
    let id = "a".repeat(64);
    let digest = format!("a@sha256:{id}");
    for wrong in [
        "",
        ":",
        ":1",
        "a:",
        "a:b:c",
        "A",
        "a/B:1",
        "Foo/bar:1",
        "LOCALHOST/x",
        "@0",
        &digest,
        &id,
        &long,
        "a..b",
        "a/",
        "/a",
        "a//b",
        "-a.b/x",
        "a.b-/x",
        "a.b:/x",
        "a.b:x/y",
        "a.b:1:2/x",
        "a.b/x:-1",
        "a.b/x:é",
        "a b",
        "a\n",
        "é",
        "[::ffff:1.2.3.4]/x",
        "a___b",
        "a._b",
        "a-",
        "_a",
    ] {
        let error = wrong.parse::<Destination>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{wrong:?} is no name for an image in an archive: ")), "{error}");
        let folder = Folder::new();
        let skopeo = run(Command::new("skopeo")
            .args(["--insecure-policy", "copy", "-q", "oci:/missing:t"])
            .arg(format!("docker-archive:{}:{wrong}", folder.join("x").display())));
        // An empty reference is another thing there: an archive without names.
        assert!(wrong.is_empty() || skopeo.err().contains("docker-archive"), "{wrong}");
    }
    // skopeo 1.9.3 does not know IPv6; later ones do.
    assert_eq!("[::1]:5000/x:1".parse::<Destination>().unwrap().to_string(), "[::1]:5000/x:1");
}
