//! Pulling from registries (OCI distribution-spec 1.1, and Docker's registries before it).
//!
//! ```no_run
//! use gantry::layer::Silent;
//! use gantry::registry::{Client, Environment, Options, Platform, Reference};
//!
//! let client = Client::new(&Environment::of_process(), Options::default())?;
//! let alpine: Reference = "alpine:3.22".parse()?;
//! let platform = Platform { os: "linux".into(), architecture: "arm64".into(), variant: None };
//! let image = client.resolve(&alpine, &platform, &Silent)?;
//! let config = client.config(&alpine, &image.image, &platform, &Silent)?;
//! let layers = client.blobs(&alpine, &image.image.layers, "layers".as_ref(), &Silent)?;
//! # Ok::<(), gantry::registry::RegistryError>(())
//! ```
//!
//! Goals, in this order: nothing is handed on whose digest and size were not checked; no secret goes anywhere but
//! to whom it belongs, not into a message either; a bad line, a busy server or an expired token costs time and not
//! the download; skopeo's choices are ours (platform, credentials, certificates), so that moving over changes no
//! digest. Synchronous: a few threads and sockets need no runtime. Existing crates were turned down for what they
//! lack of the above (retrying, resuming, limits, identity tokens) and for an async runtime that they bring.
//!
//! | file | is about |
//! |---|---|
//! | `client`, `blob`, `blobs` | what is asked for |
//! | `documents`, `platform`, `kept` | what manifests and indexes may say, and which image is meant |
//! | `session`, `challenge`, `token` | being let in |
//! | `credentials`, `auth_file`, `helper`, `netrc` | who the user is |
//! | `transport`, `tls`, `proxy`, `retry`, `limits`, `range`, `watch` | requests and answers, for any server |
//! | `survey` | which files credentials and certificates would come from |
//! | `reference`, `mirror`, `url` | names and places |
//! | `environment`, `error`, `failure`, `files` | what comes from the process, and what is said to the user |
//! | `fuzzing` | entrances for the fuzz targets |

mod auth_file;
mod blob;
mod blobs;
mod challenge;
mod client;
mod credentials;
mod documents;
mod environment;
mod error;
mod failure;
mod files;
#[doc(hidden)]
pub mod fuzzing;
mod helper;
mod kept;
mod limits;
mod mirror;
mod netrc;
mod platform;
mod proxy;
mod range;
mod reference;
mod resolve;
mod retry;
mod session;
mod survey;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
mod token;
mod transport;
mod url;
mod watch;

pub use crate::image::platform::Preferred;
pub use crate::spec::Platform;
pub use blob::Sink;
pub use client::{Client, Fetched, Options, Resolved};
pub use environment::{Clock, Environment, SystemClock};
pub use error::{Kind, RegistryError};
pub use kept::{Kept, read};
pub use limits::Limits;
pub use mirror::Mirror;
pub use reference::Reference;
pub use survey::{
    CredentialHelper, CredentialSource, CredentialState, credential_sources, root_certificates,
};
