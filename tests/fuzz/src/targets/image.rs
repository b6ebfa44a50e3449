//! The documents of an image. An input is documents with a byte 0xff between: `index.json`, `oci-layout`,
//! `manifest.json` and then blobs. In each, `#N` stands for the digest of blob N (0 to 9) and `%N` for its size, so
//! that the documents can name each other.

use gantry::base;
use gantry::digest::Digest;
use gantry::image::{ImageConfig, Manifest};
use gantry::layer::Silent;

use super::archive::both;
use super::made::{Memory, Tar};

pub fn run(data: &[u8]) {
    let documents: Vec<&[u8]> = data.split(|byte| *byte == 0xff).take(13).collect();
    let (named, blobs) = documents.split_at(documents.len().min(3));
    // A blob can name those after it.
    let mut made: Vec<Vec<u8>> = vec![Vec::new(); blobs.len()];
    for number in (0..blobs.len()).rev() {
        made[number] = filled(blobs[number], &made);
    }
    let mut tar = Tar::default();
    for (name, document) in ["index.json", "oci-layout", "manifest.json"].into_iter().zip(named) {
        if !document.is_empty() {
            tar.file(name, &filled(document, &made));
        }
    }
    let mut digests: Vec<Digest> = Vec::new();
    for blob in &made {
        let digest = Digest::of(blob);
        if !digests.contains(&digest) {
            tar.file(&format!("blobs/sha256/{}", digest.hex()), blob);
        }
        digests.push(digest);
    }
    let archive = Memory::new(&tar.0);
    both(&archive);
    for named in base::open_all(&archive.path, &Silent).unwrap_or_default() {
        let config = &named.image.config;
        let written = serde_json::to_vec(config).expect("a configuration can be written");
        let read: ImageConfig = serde_json::from_slice(&written).expect("and be read again");
        assert_eq!(read, *config);
        if let Some((descriptor, document)) = &named.image.manifest {
            assert_eq!(descriptor.digest, Digest::of(&document.bytes));
            // As Go does, bytes that are not UTF-8 are taken for U+FFFD.
            let text = String::from_utf8_lossy(&document.bytes);
            let manifest: Manifest = serde_json::from_str(&text).expect("was read before");
            assert_eq!(manifest.config.digest, named.image.config_document.digest);
            let written = serde_json::to_vec(&manifest).expect("a manifest can be written");
            assert_eq!(serde_json::from_slice::<Manifest>(&written).expect("and be read again"), manifest);
        }
    }
}

/// A document with digests and sizes of `blobs` in it.
fn filled(document: &[u8], blobs: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(document.len() + 512);
    let mut rest = document;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let blob = after.first().filter(|digit| digit.is_ascii_digit());
        let blob = blob.and_then(|digit| blobs.get(usize::from(digit - b'0')));
        match (byte, blob) {
            (b'#', Some(blob)) => out.extend(Digest::of(blob).to_string().bytes()),
            (b'%', Some(blob)) => out.extend(blob.len().to_string().bytes()),
            _ => {
                out.push(byte);
                continue;
            }
        }
        rest = &after[1..];
    }
    out
}
