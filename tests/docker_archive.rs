//! The docker-archive against skopeo's own, byte for byte, and against a Python program written from the
//! format's rules; what must be refused, and how it is told.

mod support;

use std::fs::{self, File};
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use gantry::digest::Digest;
use gantry::image::{Descriptor, Manifest};
use gantry::layer::decompress::{Decompressor, least_size, likely_size};
use gantry::layer::{Progress, Silent};
use gantry::output::docker_archive::{Destination, DockerArchive, Limits, ReadSeek};
use gantry::output::{OutputError, Place};
use proptest::prelude::*;
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
fn blobs_that_are_cut_or_changed_are_refused_and_named() {
    let data = content(200_000);
    let codecs = [
        ("gzip", gzip(&data)),
        ("zstd", filter("zstd", &["-q", "-c", "--check"], &data)),
        ("xz", filter("xz", &["-c"], &data)),
        ("bzip2", filter("bzip2", &["-c"], &data)),
    ];
    for (codec, blob) in codecs {
        small(&[(&blob, &data)]).ok();
        let wrong = |what: &str, bad: Vec<u8>| {
            let image = small(&[(&gzip(b"below"), b"below"), (&bad, &data)]);
            let error = image.error(LIMITS);
            let named = format!("layer 2 ({}): {codec}: ", Digest::of(&bad));
            assert!(error.starts_with(&named), "{what}: {error}");
        };
        for length in [7, 12, blob.len() / 2, blob.len() - 9, blob.len() - 4, blob.len() - 1] {
            wrong("cut", blob[..length].to_vec());
        }
        for junk in [&b"\0"[..], &[0; 513], b"junk that is long enough to be a header", &blob[..5]] {
            if codec != "xz" || junk != &[0][..] {
                wrong("junk behind", [&blob, junk].concat());
            }
        }
        let mut changed = blob.clone();
        changed[blob.len() / 2] ^= 0x10;
        wrong("changed", changed);
        if codec != "bzip2" && codec != "xz" {
            let mut sum = blob.clone();
            let at = sum.len() - if codec == "gzip" { 8 } else { 4 };
            sum[at] ^= 1;
            wrong("checksum", sum);
        }
    }
}

#[test]
fn gzip_is_read_as_rfc_1952_says() {
    let (data, blob) = (content(5000), gzip(&content(5000)));
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = blob.clone();
        change(&mut changed);
        small(&[(&changed, &data)])
    };
    for flag in [0x20, 0x40, 0x80] {
        let error = with(&|blob| blob[3] |= flag).error(LIMITS);
        assert!(error.ends_with("gzip: its header has reserved flags"), "{error}");
    }
    let size = blob.len() - 4;
    let error = with(&|blob| blob[size] ^= 1).error(LIMITS);
    assert!(error.ends_with("gzip: wrong checksum or size"), "{error}");
    // A header with a checksum (CRC-32 of what precedes it, low half), right and wrong.
    let mut crc = libdeflater::Crc::new();
    let header = [&blob[..3], &[2], &blob[4..10]].concat();
    crc.update(&header);
    let checked = [&header[..], &(crc.sum() as u16).to_le_bytes(), &blob[10..]].concat();
    small(&[(&checked, &data)]).ok();
    let mut wrong = checked;
    wrong[10] ^= 1;
    let error = small(&[(&wrong, &data)]).error(LIMITS);
    assert!(error.ends_with("gzip: its header has a wrong checksum"), "{error}");
    // A method that is not deflate is no gzip at all.
    with(&|blob| blob[2] = 7).error(LIMITS);
    assert!(with(&|blob| blob[2] = 7).error(LIMITS).contains("diff_id"));
    // One level only.
    small(&[(&gzip(&blob), &blob)]).ok();
}

#[test]
fn sizes_are_guessed_but_never_trusted() {
    let data = content(600_000);
    let sizes = |blob: &[u8]| {
        let mut blob = Cursor::new(blob);
        let sizes = (least_size(&mut blob).unwrap(), likely_size(&mut blob).unwrap());
        assert_eq!(blob.position(), 0);
        sizes
    };
    let all = data.len() as u64;
    assert_eq!(sizes(&data), (all, all));
    assert_eq!(sizes(&gzip(&data)), (all, all));
    let members: Vec<u8> = data.chunks(1000).flat_map(gzip).collect();
    assert_eq!(sizes(&members), (1000, all));
    assert_eq!(sizes(&filter("zstd", &["-q", "-c"], &data)), (0, 0));
    // What looks like members, but is stored data of one: the guess is too high, the archive is right.
    let mut stored = GzEncoder::new(Vec::new(), Compression::none());
    let members = [b"-", &members[..]].concat();
    stored.write_all(&members).unwrap();
    let stored = [stored.finish().unwrap(), gzip(b"x")].concat();
    let content = [&members[..], b"x"].concat();
    let (least, likely) = sizes(&stored);
    assert!(least == 1 && likely > content.len() as u64, "{likely}");
    let folder = Folder::new();
    let archive = |name: &str, blob: &[u8]| {
        let path = folder.join(name);
        let image =
            small(&[(&gzip(b"a"), b"a"), (blob, &content), (&gzip(&data), &data), (&gzip(b"b"), b"b")]);
        image.write_to(&path, Place::Beside, LIMITS, &Silent).unwrap();
        path
    };
    same("stored", &archive("stored", &stored), &archive("plain", &content));
}

#[test]
fn zstd_windows_are_bounded_and_dictionaries_refused() {
    // RFC 8878, 3.1.1.1: magic, a header without sizes, window 2^33 (exponent 23), an empty last raw block.
    let header = |descriptor: u8| vec![0x28, 0xb5, 0x2f, 0xfd, descriptor];
    let end = [1, 0, 0];
    let window = |exponent: u8| [&header(0)[..], &[exponent << 3], &end].concat();
    small(&[(&window(13), b"")]).ok();
    small(&[(&window(17), b"")]).ok();
    for exponent in [18, 23, 31] {
        let error = small(&[(&window(exponent), b"")]).error(LIMITS);
        assert!(error.contains("zstd: "), "{error}");
    }
    let dictionary = [&header(1)[..], &[13 << 3], &[42], &end].concat();
    let error = small(&[(&dictionary, b"")]).error(LIMITS);
    assert!(error.contains("zstd: ") && error.to_lowercase().contains("dictionary"), "{error}");
}

#[test]
fn bombs_are_stopped_at_the_limit() {
    let zeros = vec![0; 20 << 20];
    let limits = Limits { threads: 1, size: 10 << 20 };
    let twice = gzip(&zeros[..6 << 20]);
    let other = gzip(&[&zeros[..6 << 20], &b"x"[..]].concat());
    let bombs = [
        small(&[(&gzip(&zeros), &zeros)]),
        small(&[(&[gzip(&zeros), gzip(b"x")].concat(), &[&zeros[..], b"x"].concat())]),
        small(&[(&filter("zstd", &["-q", "-c"], &zeros), &zeros)]),
        small(&[(&filter("xz", &["-c"], &zeros), &zeros)]),
        small(&[(&filter("bzip2", &["-c"], &zeros), &zeros)]),
        small(&[(&twice, &zeros[..6 << 20]), (&other, &[&zeros[..6 << 20], &b"x"[..]].concat())]),
    ];
    for bomb in bombs {
        let error = bomb.error(limits);
        assert!(
            error.starts_with("the image's layers have more than 10485760 bytes without compression"),
            "{error}"
        );
        assert!(error.contains("layer ") && error.contains("(sha256:"), "{error}");
        bomb.ok();
    }
    let exact = small(&[(&twice, &zeros[..6 << 20])]);
    let folder = Folder::new();
    exact.write_to(&folder.join("x"), Place::Beside, Limits { size: 6 << 20, ..LIMITS }, &Silent).unwrap();
    exact.error(Limits { size: (6 << 20) - 1, ..LIMITS });
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No blob makes the readers panic, loop or grow without bounds, and none has less than was said.
    #[test]
    fn blobs_of_any_bytes_are_read_or_refused(
        magic in prop::sample::select(vec![&b"\x1f\x8b\x08"[..], b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh9", b""]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let blob = [magic, &bytes].concat();
        let least = least_size(&mut Cursor::new(&blob)).unwrap();
        likely_size(&mut Cursor::new(&blob)).unwrap();
        if let Ok(size) = io::copy(&mut io::Read::take(Decompressor::new(&blob[..]).unwrap(), 1 << 24), &mut io::sink()) {
            prop_assert!(size >= least);
        }
    }

    #[test]
    fn changed_blobs_are_read_or_refused(codec in 0..4usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        static BLOBS: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| {
            let data = content(3000);
            vec![
                gzip(&data),
                filter("zstd", &["-q", "-c"], &data),
                filter("xz", &["-c"], &data),
                filter("bzip2", &["-c"], &data),
            ]
        });
        let mut blob = BLOBS[codec].clone();
        for (at, byte) in changes {
            *at.get_mut(&mut blob) = byte;
        }
        let _ = io::copy(&mut io::Read::take(Decompressor::new(&blob[..]).unwrap(), 1 << 24), &mut io::sink());
    }
}
