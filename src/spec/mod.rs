//! What the user asked for: the arguments of `builtins.ociImage` as types.
//!
//! One set of checks serves twice: while evaluating ([`check`], over everything the user wrote, with
//! the evaluator's knowledge of what is a string, a path or a derivation) and in the builder
//! ([`RootSpec`], [`LayerSpec`], [`ImageSpec`], over the part of the arguments that a derivation carries). So an
//! argument that slips past an evaluator without the plugin is still refused, in the same words.
//!
//! `check` and `derivation` are those two readings; the files named after arguments have their
//! rules, each a function from a place and a JSON value to a type; `read` and `nearest` are what the
//! rules are written with.

mod annotations;
mod base;
mod check;
mod commands;
mod compression;
mod config;
mod derivation;
mod error;
mod layering;
mod layers;
mod nearest;
mod owner;
mod pattern;
mod permissions;
mod platform;
mod pull;
mod read;
mod reference;
mod sources;
mod time;
mod users;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::digest::Digest;

pub use check::check;
pub use compression::{DEFAULT_GZIP_LEVEL, DEFAULT_ZSTD_LEVEL};
pub use error::{ArgumentError, Step};
pub use layers::LayerHistory;
pub(crate) use pattern::compile;
pub use permissions::Files;
pub use pull::check_pull;

/// What determines the root layer and the configuration: the arguments of the derivation `NAME-root`.
#[derive(Debug, Clone, PartialEq)]
pub struct RootSpec {
    /// Linked into `/`: real directories, symbolic links to the store.
    pub contents: Vec<Source>,
    /// Copied into `/`.
    pub copy_to_root: Vec<Source>,
    /// Whether links to directories in `copy_to_root` stay links (`rsync -K`); otherwise they become the
    /// directories that they lead to (`rsync -k`).
    pub keep_contents_dirlinks: bool,
    /// Directories to make, or to adjust where they exist, by path.
    pub directories: Vec<DirectoryRule>,
    /// Users to add to `/etc/passwd` and `/etc/group`, by name.
    pub users: Vec<User>,
    /// Modes and owners of what the root layer holds, in order.
    pub perms: Vec<PermissionRule>,
    /// Scripts that finish the root layer.
    pub commands: Option<Commands>,
    /// Whether a path of `copy_to_root` is in the store of the image as well if nothing refers to it.
    pub include_copied_paths: bool,
    /// Whether the image gets a Nix database.
    pub include_nix_db: bool,
    /// The image below, where something here depends on it.
    pub from_image: Option<Base>,
    /// The links to directories that the image below has, as their derivation wrote them.
    pub directory_links: Option<PathBuf>,
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

/// An owner where only some of it may be said.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PartialOwner {
    /// User number.
    pub uid: Option<u32>,
    /// Group number.
    pub gid: Option<u32>,
    /// User name.
    pub uname: Option<String>,
    /// Group name.
    pub gname: Option<String>,
}

/// One attribute of `directories`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryRule {
    /// Absolute, without `.`, `..`, empty components or a slash at the end.
    pub path: PathBuf,
    /// Permission bits, at most 0o7777.
    pub mode: Option<u32>,
    /// What it says of its owner.
    pub owner: PartialOwner,
}

/// One attribute of `users`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// User number.
    pub uid: u32,
    /// Number of the primary group.
    pub gid: u32,
    /// Name of the primary group; the user's own unless it is said.
    pub group: String,
    /// The comment field of `/etc/passwd`.
    pub description: String,
    /// The home directory, absolute.
    pub home: PathBuf,
    /// The login shell, absolute.
    pub shell: PathBuf,
}

/// One element of `perms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionRule {
    /// The files that it is about.
    pub files: Files,
    /// Permission bits, at most 0o7777.
    pub mode: Option<u32>,
    /// What it says of the owner.
    pub owner: PartialOwner,
}

/// Scripts that finish a root layer, and what they are run with. At least one is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands {
    /// `extraCommands`: unprivileged, in the root being made.
    pub extra: Option<String>,
    /// `fakeRootCommands`: as root.
    pub fake_root: Option<String>,
    /// `enableFakechroot`: `fake_root` is run with the root being made as `/`.
    pub fakechroot: bool,
    /// `runAsRoot`: as root, chrooted on top of the image below and the contents.
    pub run_as_root: Option<String>,
    /// A shell, or a package with `bin/bash` or `bin/sh`.
    pub shell: PathBuf,
    /// Packages whose `bin` is searched.
    pub path: Vec<PathBuf>,
}

/// An image below others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// An OCI layout, an archive, a docker-archive.
    pub path: PathBuf,
    /// Which of its images is meant, if it has several.
    pub platform: Option<Platform>,
}

/// What determines a layer of its own: one element of `layers`.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSpec {
    /// Its paths; their closures, less what is below, make the layer.
    pub paths: Vec<PathBuf>,
    /// Copied into `/`; what they refer to is in the layer, too.
    pub copy_to_root: Vec<Source>,
    /// Modes and owners of what the layer holds, in order.
    pub perms: Vec<PermissionRule>,
    /// Left out of the closures.
    pub ignore: Vec<PathBuf>,
    /// The most layers that are made of it, the most popular paths first.
    pub max_layers: usize,
    /// What the image's history says of it.
    pub history: LayerHistory,
    /// The links to directories that the image below has, as their derivation wrote them.
    pub directory_links: Option<PathBuf>,
    /// The layers below it, as their derivations made them.
    pub below: Vec<PathBuf>,
    /// The image below them.
    pub from_image: Option<Base>,
    /// Modification time of everything in it.
    pub mtime: Timestamp,
    /// Owner of everything in it.
    pub owner: Owner,
    /// How its blob is compressed.
    pub compression: Compression,
}

/// What determines an image's Nix database once its root layer is made.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseSpec {
    /// The roots of the closure, where some paths in it are not in the image.
    pub paths: Option<Vec<PathBuf>>,
    /// Paths that are in the image only if another one refers to them; what they refer to is.
    pub through: Vec<PathBuf>,
    /// The image below, whose database is taken in.
    pub from_image: Option<Base>,
    /// When paths are said to have been registered.
    pub mtime: Timestamp,
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
    /// Explicit layers, bottom first: what their derivations made, those of one element of `layers` in a row.
    pub layers: Vec<PathBuf>,
    /// The most layers that the image may have, the root layer included: 1 to 127.
    pub max_layers: usize,
    /// Bytes (sum of `narSize`); smaller layers are merged.
    pub min_layer_size: u64,
    /// How store paths are divided into layers.
    pub layering: LayeringSource,
    /// How layer blobs are compressed.
    pub compression: Compression,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
    /// The image below: an OCI layout, an archive, a docker-archive.
    pub from_image: Option<PathBuf>,
    /// What of its configuration is taken over.
    pub inherit_config: Inherit,
}

/// What determines an index of images for several platforms.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexSpec {
    /// The repository, lower case.
    pub name: String,
    /// The tag.
    pub tag: String,
    /// The images, as [`ImageSpec::from_image`].
    pub images: Vec<PathBuf>,
    /// The index's annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What is pulled from a registry into a docker-archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullSpec {
    /// The repository, with its registry if it is not Docker's.
    pub image_name: String,
    /// The digest of the manifest or index.
    pub image_digest: Digest,
    /// Which image of an index.
    pub platform: Platform,
    /// The name in the archive.
    pub final_image_name: String,
    /// The tag in the archive.
    pub final_image_tag: String,
    /// Whether certificates are checked, and plain HTTP is refused.
    pub tls_verify: bool,
    /// Whether an image without zstd layers comes before one with them, where an index has both.
    pub prefer_gzip: bool,
}

/// Which keys of a base image's `config` are inherited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inherit {
    /// All of them.
    All,
    /// These.
    Keys(Vec<String>),
}

impl Default for Inherit {
    /// `Env`, as in dockerTools.
    fn default() -> Inherit {
        Inherit::Keys(vec!["Env".to_owned()])
    }
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

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

/// The owner of files in a layer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

/// `layering` as the derivation carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayeringSource {
    /// It says how.
    Given(Layering),
    /// A JSON file of a pipeline, which [`Layering::from_file`] takes.
    File(PathBuf),
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
    /// An executable that writes the archive to its standard output.
    Stream,
}

/// How an archive as a whole is compressed (dockerTools' `compressor`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compressor {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
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
