//! Gantry makes OCI images out of Nix store closures.
//!
//! This is the map of the crate. Data goes one way through it:
//!
//! ```text
//! spec  ──>  closure (plan)  ──>  layer  ──>  image  ──>  output
//! ```
//!
//! | module | is about |
//! |---|---|
//! | [`digest`] | digests (only valid ones exist) and the hasher |
//! | [`printable`] | text from outside, made safe to show |
//! | [`temporary`] | temporary directories, and what is said where one cannot be removed |
//! | `threads` | threads that a limit of processes may refuse |
//! | [`spec`] | what the user asked for: arguments as types, checked one by one |
//! | [`closure`] | the graph of store paths, and which paths share a layer |
//! | [`layer`] | the bytes of a layer: walk, tar headers, compression, the one-pass pipeline; layers made by themselves |
//! | [`root`] | the root layer: what lies outside the store |
//! | [`sandbox`] | where the scripts of a root layer run: namespaces, mounts, the filter of system calls |
//! | [`fakeroot`] | what only root may do to files, recorded instead: the tracer of scripts |
//! | [`image`] | configuration, manifest, index, history |
//! | [`base`] | reading images back: archive, layout; the file system that their layers make together |
//! | [`output`] | writing images: archive (also compressed, also into a pipe), layout, the executable that streams; a root file system as one tar |
//! | [`pull`] | from a registry to a file or folder |
//! | [`registry`] | pulling from registries: references, credentials, manifests, blobs |
//! | [`assemble`] | from a specification to an image: the order of the steps; explicit layers, recipes, merging |
//! | [`doctor`] | whether images can be built on this machine, and what to change |
//! | [`cli`] | the `gantry` command, one file per subcommand |
//! | `plugin` | the evaluator's entry points (feature `plugin`) |
//!
//! Imports go one way as well: `cli`, `plugin` → `doctor`, `assemble`, `pull` → `output`, `registry`, `root` → `sandbox`, `fakeroot`,
//! `image`, `layer`, `base`, `closure` → `spec`, `digest`.

#![warn(clippy::disallowed_methods)]

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!(
    "Gantry is for x86_64-linux and aarch64-linux: scripts of root layers are traced with these processors' \
     registers, and run in Linux namespaces"
);

pub mod assemble;
pub mod base;
pub mod cli;
pub mod closure;
pub mod digest;
pub mod doctor;
pub mod fakeroot;
pub mod image;
mod kernel;
pub mod layer;
pub mod output;
#[cfg(feature = "plugin")]
pub mod plugin;
pub mod printable;
pub mod pull;
pub mod registry;
pub mod root;
pub mod sandbox;
pub mod spec;
pub mod temporary;
mod threads;
