//! What the user asked for: the arguments of `builtins.ociImage` as types.
//!
//! One set of checks serves twice: while evaluating ([`check`], over everything the user wrote, with
//! the evaluator's knowledge of what is a string, a path or a derivation) and in the builder
//! ([`RootSpec`], [`ImageSpec`], over the part of the arguments that a derivation carries). So an
//! argument that slips past an evaluator without the plugin is still refused, in the same words.
//!
//! `check` and `derivation` are those two readings; the files named after arguments have their
//! rules, each a function from a place and a JSON value to a type; `read` and `nearest` are what the
//! rules are written with.

mod annotations;
mod check;
mod compression;
mod config;
mod derivation;
mod error;
mod layering;
mod nearest;
mod owner;
mod platform;
mod read;
mod reference;
mod sources;
mod time;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

pub use check::check;
pub use compression::{DEFAULT_GZIP_LEVEL, DEFAULT_ZSTD_LEVEL};
pub use error::{ArgumentError, Step};

/// What determines the root layer and the configuration: the arguments of the derivation `NAME-root`.
#[derive(Debug, Clone, PartialEq)]
pub struct RootSpec {
    /// Linked into `/`: real directories, symbolic links to the store.
    pub contents: Vec<Source>,
    /// Copied into `/`.
    pub copy_to_root: Vec<Source>,
    /// The image configuration's `config` object, checked, without its `null`s.
    pub config: Map<String, Value>,
    /// Modification time of everything in the root layer.
    pub mtime: Timestamp,
    /// Owner of everything in the root layer.
    pub owner: Owner,
}

/// One element of `contents` or `copyToRoot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// A store path, or a path below one.
    pub path: PathBuf,
    /// nixpkgs' `meta.priority` (the lower wins), 5 unless it is set.
    pub priority: i64,
}

/// What determines the image once its root layer is made.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSpec {
    /// The repository, lower case, with registry and path if it was given them.
    pub name: String,
    /// The tag.
    pub tag: String,
    /// GOARCH and friends.
    pub platform: Platform,
    /// The configuration's and the history's `created`.
    pub created: Timestamp,
    /// Modification time of everything in the store layers.
    pub mtime: Timestamp,
    /// Owner of everything in the store layers.
    pub owner: Owner,
    /// Whether the image has store layers.
    pub include_store_paths: bool,
    /// The most layers that the image may have, the root layer included: 1 to 127.
    pub max_layers: usize,
    /// Bytes (sum of `narSize`); smaller layers are merged.
    pub min_layer_size: u64,
    /// How store paths are divided into layers.
    pub layering: Layering,
    /// How layer blobs are compressed.
    pub compression: Compression,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
}

/// The platform that an image is for, in Go's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// GOARCH: `amd64`, `arm64` ...
    pub architecture: String,
    /// GOOS: `linux`.
    pub os: String,
    /// `v7` of `arm`, for example.
    pub variant: Option<String>,
}

/// The owner of files in a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// User name.
    pub uname: String,
    /// Group name.
    pub gname: String,
}

/// A point in time, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    At(i64),
    /// The time of the build (`"now"`).
    Now,
}

impl Timestamp {
    /// Seconds since 1970, where `now` is the time of the build.
    pub fn seconds(self, now: i64) -> i64 {
        match self {
            Timestamp::At(seconds) => seconds,
            Timestamp::Now => now,
        }
    }
}

/// How store paths are divided into layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layering {
    /// nixpkgs' auto-layer: the largest paths get layers of their own.
    Size,
    /// nixpkgs' former default: the most popular paths get layers of their own.
    Popularity,
    /// All store paths in one layer.
    Single,
    /// A flatten-references-graph pipeline.
    Pipeline(Vec<Operation>),
}

/// An operation of a flatten-references-graph pipeline (nixpkgs, `dockerTools` `layeringPipeline`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// `["pipe", [op ...]]`: the operations, one after the other.
    Pipe(Vec<Operation>),
    /// `["over", key, op]`: the operation on one entry of a set.
    Over(String, Box<Operation>),
    /// `["map", op]`: the operation on each element of a list.
    Map(Box<Operation>),
    /// `["flatten"]`: a list of all graphs, whatever the nesting.
    Flatten,
    /// `["reverse"]`: a list, reversed.
    Reverse,
    /// `["reorder", [key ...]]`: the entries of a set in that order.
    Reorder(Vec<String>),
    /// `["subcomponent_out", [path ...]]`: `main` is what the paths reach, `rest` the others.
    SubcomponentOut(Vec<String>),
    /// `["subcomponent_in", [path ...]]`: `main` is what reaches the paths, `rest` the others.
    SubcomponentIn(Vec<String>),
    /// `["split_paths", [path | { children_of } ...]]`: `main`, `common`, `rest`.
    SplitPaths(Vec<SplitPath>),
    /// `["split_every", n]`: pieces of n paths.
    SplitEvery(usize),
    /// `["remove_paths", path | [path ...]]`: without these.
    RemovePaths(Vec<String>),
    /// `["popularity_contest"]`: one graph a path, the most popular first.
    PopularityContest,
    /// `["limit_layers", n]`: the first n-1 as they are, the others in one.
    LimitLayers(usize),
}

/// What [`Operation::SplitPaths`] splits off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SplitPath {
    /// A path.
    Path(String),
    /// The references of a path.
    ChildrenOf(String),
}

/// What an image is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One tar: an OCI archive and a docker-archive at once.
    Archive,
    /// An OCI image layout, a directory.
    Layout,
}

/// How layer blobs are compressed, with the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, level 1 to 12 (libdeflate's scale; 1 to 9 mean what they mean elsewhere).
    Gzip(u8),
    /// Zstandard, level 1 to 19.
    Zstd(u8),
}
