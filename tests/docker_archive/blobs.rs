//! Blobs of all codecs: what is read, what is refused, and how far.

use std::io::{self, Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use gantry::digest::Digest;
use gantry::layer::Silent;
use gantry::layer::decompress::{Decompressor, least_size, likely_size};
use gantry::output::Place;
use gantry::output::docker_archive::Limits;
use proptest::prelude::*;

use super::support::Folder;
use super::{LIMITS, content, filter, gzip, same, small};

/// Compressed by a module of CPython.
fn python(module: &str, data: &[u8]) -> Vec<u8> {
    let program = "import importlib, sys; sys.stdout.buffer.write(importlib.import_module(sys.argv[1]).compress(sys.stdin.buffer.read()))";
    filter("python3", &["-c", program, module], data)
}

#[test]
fn blobs_that_are_cut_or_changed_are_refused_and_named() {
    let data = content(200_000);
    let codecs = [
        ("gzip", gzip(&data)),
        ("zstd", filter("zstd", &["-q", "-c", "--check"], &data)),
        ("xz", python("lzma", &data)),
        ("bzip2", python("bz2", &data)),
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
            wrong("junk behind", [&blob, junk].concat());
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
    // A frame that says nearly 2^64 bytes (RFC 8878, 3.1.1.1: eight bytes of size, single segment).
    let claims = [&b"\x28\xb5\x2f\xfd\xe0"[..], &(u64::MAX - 2).to_le_bytes()].concat();
    assert_eq!(sizes(&claims), (u64::MAX - 2, u64::MAX - 2));
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
fn a_frame_that_has_less_than_it_says_is_refused() {
    // 255 bytes by its header, and one block, the last, of none (RFC 8878, 3.1.1).
    let frame = b"\x28\xb5\x2f\xfd\x20\xff\x01\0\0";
    let error = small(&[(frame, b"")]).error(LIMITS);
    assert!(error.ends_with("it has fewer bytes without compression than it says"), "{error}");
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
        small(&[(&python("lzma", &zeros), &zeros)]),
        small(&[(&python("bz2", &zeros), &zeros)]),
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
        if let Ok(size) = io::copy(&mut io::Read::take(Decompressor::new(&blob[..], blob.len() as u64).unwrap(), 1 << 24), &mut io::sink()) {
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
                python("lzma", &data),
                python("bz2", &data),
            ]
        });
        let mut blob = BLOBS[codec].clone();
        for (at, byte) in changes {
            *at.get_mut(&mut blob) = byte;
        }
        let _ = io::copy(&mut io::Read::take(Decompressor::new(&blob[..], blob.len() as u64).unwrap(), 1 << 24), &mut io::sink());
    }
}
