//! The tar reader and the rules of layers: an input is a tar, or several of them with a block that begins with
//! [`NEXT`] between, the layers of an image.

use std::io::Write;

use super::made::{HEADER, Memory, docker_archive, exported};

const NEXT: &[u8] = b"NEXT LAYER";

pub fn run(data: &[u8]) {
    let mut layers: Vec<&[u8]> = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(block) = data.get(at..at + HEADER) {
        if block.starts_with(NEXT) {
            layers.push(&data[start..at]);
            start = at + HEADER;
        }
        at += HEADER;
    }
    layers.push(&data[start..]);

    let plain = exported(&Memory::new(&docker_archive(&layers, &layers)).path);
    // The same tars in pieces, in a file of their own.
    let packed: Vec<Vec<u8>> = layers.iter().map(|layer| in_pieces(layer)).collect();
    let packed: Vec<&[u8]> = packed.iter().map(Vec::as_slice).collect();
    let pieces = exported(&Memory::new(&docker_archive(&packed, &layers)).path);
    match (&plain, &pieces) {
        // The messages name different files.
        (Err(_), Err(_)) => return,
        _ => assert_eq!(plain, pieces, "the reader does not agree with itself"),
    }
    let Ok(tar) = plain else { return };
    names_stay_inside(&tar);
    let again = exported(&Memory::new(&docker_archive(&[&tar], &[&tar])).path);
    assert_eq!(again.as_ref(), Ok(&tar), "what was written is read as something else");
}

/// The bytes as gzip members of different lengths.
fn in_pieces(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    for length in [1, 511, 513, 3000, usize::MAX] {
        let (piece, after) = rest.split_at(length.min(rest.len()));
        let mut member = flate2::write::GzEncoder::new(&mut out, flate2::Compression::none());
        member.write_all(piece).expect("writes to memory");
        member.finish().expect("writes to memory");
        rest = after;
    }
    out
}

/// The names of a tar as Gantry writes it (a header, or a PAX header and a header) are below `./`, whole, and no
/// whiteouts; each directory comes before what is in it.
fn names_stay_inside(mut tar: &[u8]) {
    let mut directories = vec![b"./".to_vec()];
    let mut long = None;
    while tar.iter().any(|byte| *byte != 0) {
        let (header, rest) = tar.split_at(HEADER);
        let size = std::str::from_utf8(&header[124..135]).ok().and_then(|s| usize::from_str_radix(s, 8).ok());
        let size = size.expect("a size");
        let (body, rest) = rest.split_at(size.next_multiple_of(HEADER));
        tar = rest;
        if header[156] == b'x' {
            long = path_record(&body[..size]);
            continue;
        }
        let own = header[..100].split(|byte| *byte == 0).next().unwrap_or_default();
        let prefix = header[345..500].split(|byte| *byte == 0).next().unwrap_or_default();
        let own = if prefix.is_empty() { own.to_vec() } else { [prefix, b"/", own].concat() };
        let name = long.take().unwrap_or(own);
        let shown = String::from_utf8_lossy(&name);
        if name == b"./" {
            continue;
        }
        let inside = name.strip_prefix(b"./").unwrap_or_else(|| panic!("{shown:?} is not below the root"));
        let is_directory = header[156] == b'5';
        let whole = if is_directory { inside.strip_suffix(b"/").expect("a slash") } else { inside };
        for part in whole.split(|byte| *byte == b'/') {
            let bad = part.is_empty() || part == b"." || part == b".." || part.contains(&0);
            assert!(!bad && !part.starts_with(b".wh."), "{shown:?} has the part {part:?}");
        }
        let parent =
            &name[..name.len() - whole.rsplit(|byte| *byte == b'/').next().unwrap_or_default().len()];
        let parent = if is_directory { &name[..parent.len() - 1] } else { parent };
        assert!(directories.iter().any(|known| known == parent), "{shown:?} has no directory");
        if is_directory {
            directories.push(name);
        }
    }
}

/// The path in a PAX header.
fn path_record(mut body: &[u8]) -> Option<Vec<u8>> {
    while !body.is_empty() {
        let digits = body.iter().position(|byte| *byte == b' ').expect("a length");
        let length: usize = std::str::from_utf8(&body[..digits]).expect("digits").parse().expect("a number");
        let (record, rest) = body.split_at(length);
        body = rest;
        if let Some(path) = record[digits + 1..].strip_prefix(b"path=") {
            return Some(path[..path.len() - 1].to_vec());
        }
    }
    None
}
