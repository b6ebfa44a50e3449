//! The members of an archive (see [`super::archive`]), whoever writes them: their names, order and headers.

use super::OCI_LAYOUT;
use crate::digest::Digest;
use crate::image::{Documents, blob_path};
use crate::layer::tar::{BLOCK, Entry, Kind, Shared};
use crate::spec::Owner;

/// What is known of the members so far.
pub(super) struct Members {
    shared: Shared,
    blobs: Vec<Digest>,
}

impl Members {
    pub(super) fn new() -> Members {
        let owner = Owner { uid: 0, gid: 0, uname: String::new(), gname: String::new() };
        Members { shared: Shared { mtime: 1, owner }, blobs: Vec::new() }
    }

    /// The directories, which come first.
    pub(super) fn directories(&self) -> Vec<u8> {
        ["blobs/", "blobs/sha256/"].map(|name| self.block(name, 0o755, Kind::Directory)).concat()
    }

    /// The header of a file.
    pub(super) fn file(&self, name: &str, size: u64) -> [u8; BLOCK as usize] {
        self.block(name, 0o644, Kind::File(size))
    }

    fn block(&self, name: &str, mode: u32, kind: Kind) -> [u8; BLOCK as usize] {
        self.shared.one_block(&Entry { name: name.as_bytes(), mode, kind })
    }

    /// The name of the next layer's blob.
    pub(super) fn layer(&mut self, digest: Digest) -> String {
        // Two files of a docker-archive may have the same bytes, which is known too late: the second copy
        // keeps its place under a name that nobody looks for.
        let name = match self.blobs.contains(&digest) {
            false => blob_path(digest),
            true => format!("blobs/duplicate-{}", self.blobs.len()),
        };
        self.blobs.push(digest);
        name
    }

    /// What follows the layers: names and contents.
    pub(super) fn documents<'d>(&mut self, documents: &'d Documents) -> Vec<(String, &'d [u8])> {
        let mut members = Vec::with_capacity(documents.blobs.len() + 3);
        for document in &documents.blobs {
            if !self.blobs.contains(&document.digest) {
                self.blobs.push(document.digest);
                members.push((blob_path(document.digest), &document.bytes[..]));
            }
        }
        members.push(("index.json".to_owned(), &documents.index));
        members.push(("manifest.json".to_owned(), &documents.docker_manifest));
        members.push(("oci-layout".to_owned(), OCI_LAYOUT));
        members
    }
}
