//! What is in a layer, and how long its tar will be: known from metadata, before a byte of content is
//! read, so that blobs can be written in parallel at their final places.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::LayerError;
use super::extent::Extent;
use super::tar::{self, BLOCK, Entry, Kind, Shared};
use super::walk::{Found, Walk};
use crate::digest::Digest;
use crate::spec::LayerHistory;

/// A layer that can be read.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its parts, in order.
    pub pieces: Vec<Piece>,
    /// The length of its tar, in bytes.
    pub size: u64,
    /// The digest of these bytes, where it is recorded already; whoever reads the layer checks it.
    pub recorded: Option<Digest>,
    /// Whether the bytes are a blob that travels as it is.
    pub given: Option<Given>,
    /// The store paths that its history entry names.
    pub paths: Vec<String>,
    /// What its history entry says instead.
    pub history: LayerHistory,
}

/// A blob of another image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given {
    /// How it is encoded.
    pub encoding: Encoding,
    /// The digest of its uncompressed tar.
    pub diff_id: Digest,
    /// Whether digest and diff ID were found by us when the blob was made: such a blob is not decompressed
    /// to look, and may be linked to.
    pub checked: bool,
}

/// How a blob's bytes stand for a tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// They are the tar.
    Plain,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// A part of a layer's tar.
#[derive(Debug, Clone)]
pub enum Piece {
    /// The store directory with those above it, usually `/nix/` and `/nix/store/`, 0755: they come
    /// first, for strict unpackers (nixpkgs#58431).
    StoreDirectories(PathBuf),
    /// A store path with everything in it; so many bytes of tar.
    StorePath(PathBuf, u64),
    /// The first so many bytes of a file that is a tar itself.
    Tar(PathBuf, u64),
    /// Some bytes of an open file.
    Extent(Extent),
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// So many zeros.
    Zeros(u64),
}

impl Layer {
    /// A layer of store paths, whose tar sizes [`measure`] gave, followed by other members.
    pub fn of_store_paths(
        paths: Vec<String>,
        sizes: &[u64],
        store: &Path,
        shared: &Shared,
        others: Vec<Piece>,
    ) -> Layer {
        let mut pieces = vec![Piece::StoreDirectories(store.into())];
        pieces.extend(paths.iter().zip(sizes).map(|(path, &size)| Piece::StorePath(path.into(), size)));
        pieces.extend(others);
        Layer { paths, ..Layer::of_members(pieces, shared) }
    }

    /// A layer of pieces that are members of a tar.
    pub fn of_members(mut pieces: Vec<Piece>, shared: &Shared) -> Layer {
        let members = pieces.iter().map(|piece| piece.size(shared)).sum();
        pieces.push(Piece::Zeros(tar::end_of_archive(members)));
        let size = members + tar::end_of_archive(members);
        Layer {
            pieces,
            size,
            recorded: None,
            given: None,
            paths: Vec::new(),
            history: LayerHistory::default(),
        }
    }

    /// A layer that is a file already.
    pub fn of_tar(path: &Path, size: u64, recorded: Digest) -> Layer {
        Layer {
            pieces: vec![Piece::Tar(path.into(), size)],
            size,
            recorded: Some(recorded),
            given: None,
            paths: Vec::new(),
            history: LayerHistory::default(),
        }
    }

    /// Whether one blob serves for both: they are the same bytes of the same file, or have the same recorded
    /// digest, which whoever writes the one checks.
    pub(super) fn is_same_blob(&self, other: &Layer) -> bool {
        match (&self.pieces[..], &other.pieces[..]) {
            ([Piece::Extent(a)], [Piece::Extent(b)]) => {
                let place = (a.offset, &a.path) == (b.offset, &b.path);
                // Of one file, two places under one digest are a lie about one of them, to be found.
                let digest = a.path != b.path && self.recorded.is_some() && self.recorded == other.recorded;
                let given = |layer: &Layer| layer.given.map(|given| (given.encoding, given.diff_id));
                a.size == b.size && (place || digest) && given(self) == given(other)
            }
            _ => false,
        }
    }

    /// What is in it, for messages.
    pub fn content(&self) -> String {
        match &self.paths[..] {
            [] => self.file().display().to_string(),
            [only] => only.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        }
    }

    /// The file that it is, for messages.
    pub(super) fn file(&self) -> PathBuf {
        match self.pieces.first() {
            Some(Piece::Tar(path, _)) => path.clone(),
            Some(Piece::Extent(extent)) => extent.path.to_path_buf(),
            _ => PathBuf::new(),
        }
    }

    /// A layer that is a blob of another image, with the digest that image gives it.
    pub fn of_blob(extent: Extent, digest: Option<Digest>, given: Given, paths: Vec<String>) -> Layer {
        let size = extent.size;
        let history = LayerHistory::default();
        Layer {
            pieces: vec![Piece::Extent(extent)],
            size,
            recorded: digest,
            given: Some(given),
            paths,
            history,
        }
    }
}

impl Piece {
    fn size(&self, shared: &Shared) -> u64 {
        match self {
            Piece::StoreDirectories(store) => store_directories(store, shared).len() as u64,
            Piece::StorePath(_, size) | Piece::Tar(_, size) | Piece::Zeros(size) => *size,
            Piece::Extent(extent) => extent.size,
            Piece::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

/// The members `/nix/` and `/nix/store/`, or whatever leads to `store`.
pub(super) fn store_directories(store: &Path, shared: &Shared) -> Vec<u8> {
    let mut out = Vec::new();
    let mut ancestors: Vec<&Path> = store.ancestors().filter(|path| path.parent().is_some()).collect();
    ancestors.reverse();
    for path in ancestors {
        Content::Directory.header(path.as_os_str().as_encoded_bytes(), 0o755, shared, &mut out);
    }
    out
}

/// The bytes that each of `paths` takes in a layer, without a byte of content being read.
///
/// With `threads` threads; on this one if they cannot be started.
pub fn measure<P: AsRef<Path> + Sync>(
    paths: &[P],
    shared: &Shared,
    threads: usize,
) -> Result<Vec<u64>, LayerError> {
    let one = |path: &P| measure_path(path.as_ref(), shared);
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(|| paths.par_iter().map(one).collect()),
        Err(_) => paths.iter().map(one).collect(),
    }
}

fn measure_path(path: &Path, shared: &Shared) -> Result<u64, LayerError> {
    let mut walk = Walk::new(path);
    let mut header = Vec::new();
    let mut total = 0;
    // A path whose fields all fit in one block needs no header made to know that it is one block.
    let plain = path_is_plain(shared);
    loop {
        let (name_fits, mode, content) = match walk.advance()? {
            None => return Ok(total),
            Some((mode, Found::Symlink(target))) => {
                (plain && target.is_ascii() && target.len() <= 100, mode, Content::Symlink(target))
            }
            Some((mode, Found::Directory)) => (plain, mode, Content::Directory),
            Some((mode, Found::File(file))) => (plain && file.size < 1 << 33, mode, Content::File(file.size)),
        };
        let name = walk.path().as_os_str().as_encoded_bytes();
        if name_fits && name.is_ascii() && name.len() < 100 {
            total += BLOCK;
        } else {
            header.clear();
            content.header(name, mode, shared, &mut header);
            total += header.len() as u64;
        }
        if let Content::File(size) = content {
            total += size + tar::padding(size);
        }
    }
}

/// Whether owner and time fit in a ustar block, for all entries alike.
fn path_is_plain(shared: &Shared) -> bool {
    let mut header = Vec::new();
    shared.header(&Entry { name: b"/nix/", mode: 0o755, kind: Kind::Directory }, &mut header);
    header.len() as u64 == BLOCK
}

/// An entry's kind, owned.
pub(super) enum Content {
    File(u64),
    Directory,
    Symlink(Vec<u8>),
}

impl Content {
    /// Appends the header of the entry called `name` (without a trailing slash).
    pub(super) fn header(&self, name: &[u8], mode: u32, shared: &Shared, out: &mut Vec<u8>) {
        let slashed;
        let (name, mode, kind) = match self {
            Content::File(size) => (name, mode, Kind::File(*size)),
            Content::Symlink(target) => (name, 0o777, Kind::Symlink(target)),
            Content::Directory => {
                slashed = [name, b"/"].concat();
                (&slashed[..], mode, Kind::Directory)
            }
        };
        shared.header(&Entry { name, mode, kind }, out);
    }
}
