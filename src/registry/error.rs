//! What can go wrong with a registry, in texts that name the object and hold no secret.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::threads::ThreadError;

/// Why something could not be had from a registry.
///
/// URLs in it have lost their query, which may be a signature, and never had user information.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Not an image reference.
    #[error("image {found:?}: {what}; accepted: [docker://][HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST]")]
    Reference {
        /// What was given, shortened.
        found: String,
        /// What is wrong with it.
        what: String,
    },
    /// A setting that cannot be followed: a mirror, a proxy.
    #[error("{name}: {what}")]
    Setting {
        /// The variable or option.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// A file that is missing, unreadable or not what it should be.
    #[error("{}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The connection: name resolution, TCP, TLS, HTTP.
    #[error("{url}: {what}")]
    Network {
        /// What was asked for.
        url: String,
        /// What happened, and what to do.
        what: String,
        /// Whether it may work a moment later.
        transient: bool,
    },
    /// The server refused.
    #[error("{url}: the server answered {status}{said}{advice}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// `: ` and the server's own words, or nothing.
        said: String,
        /// `; ` and what to do, or nothing.
        advice: &'static str,
    },
    /// No way was found to be let in.
    #[error("{url}: {what}")]
    Authentication {
        /// The registry, or its token server.
        url: String,
        /// What was found, and what to do.
        what: String,
    },
    /// A server sends to where no request may go.
    #[error("{url}: refusing to follow it to {target}: {why}")]
    Target {
        /// What was asked for.
        url: String,
        /// Where it leads.
        target: String,
        /// What is wrong with that.
        why: String,
    },
    /// A document that breaks the rules.
    #[error("{object}: {what}")]
    Document {
        /// The manifest, index or configuration.
        object: String,
        /// What is wrong with it.
        what: String,
    },
    /// Bytes that are not what was asked for.
    #[error(
        "{object}: its digest is {found}, expected {expected}: the registry or something before it changed it"
    )]
    Digest {
        /// The object.
        object: String,
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// More or fewer bytes than were announced.
    #[error("{object}: found {found} bytes, expected {expected}")]
    Size {
        /// The object.
        object: String,
        /// What was announced.
        expected: u64,
        /// What came.
        found: String,
    },
    /// An index without an image for the platform.
    #[error("{object}: no image for {wanted}; offered: {offered}")]
    Platform {
        /// The index.
        object: String,
        /// The platform that was asked for.
        wanted: String,
        /// The platforms that there are.
        offered: String,
    },
    /// The disk, or whatever blobs are written to.
    #[error("{target}: {source}")]
    Write {
        /// What was written.
        target: String,
        /// What the system said.
        source: io::Error,
    },
    /// No place had it: the origin, and the mirrors before it.
    #[error("{origin}{}", mirrors.iter().map(|what| format!("; before that, {what}")).collect::<String>())]
    Everywhere {
        /// Each mirror, and what it did.
        mirrors: Vec<String>,
        /// What the origin did.
        origin: Box<RegistryError>,
    },
    /// Too few threads.
    #[error(transparent)]
    Threads(#[from] ThreadError),
    /// The user stopped it.
    #[error("cancelled")]
    Cancelled,
}

/// Whose matter an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was asked for cannot be: the reference, the platform, a setting.
    Usage,
    /// This machine or the network: trying later, or repairing something here, may help.
    Environment,
    /// The registry lets nobody in, or not this user, or has no such image.
    Refused,
    /// What the registry sent is wrong; never to be worked around.
    Content,
    /// The user stopped it.
    Cancelled,
}

impl RegistryError {
    /// Whose matter it is.
    pub fn kind(&self) -> Kind {
        use RegistryError::*;
        match self {
            Reference { .. } | Setting { .. } | Platform { .. } => Kind::Usage,
            File { .. } | Network { .. } | Write { .. } | Threads(_) => Kind::Environment,
            Status { status, .. } if *status == 429 || *status >= 500 => Kind::Environment,
            Status { .. } | Authentication { .. } => Kind::Refused,
            Target { .. } | Document { .. } | Digest { .. } | Size { .. } => Kind::Content,
            Everywhere { origin, .. } => origin.kind(),
            Cancelled => Kind::Cancelled,
        }
    }

    /// Whether the same request may succeed a moment later.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, RegistryError::Network { transient: true, .. })
    }

    /// Whether asking another place is of no use: the fault is this machine's.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, RegistryError::Write { .. } | RegistryError::Threads(_) | RegistryError::Cancelled)
    }

    /// Whether the place that was asked is down, or lies: asking it for something else would only cost time.
    pub(super) fn is_of_the_place(&self) -> bool {
        use RegistryError::*;
        match self {
            Network { .. } | Authentication { .. } | Target { .. } => true,
            Document { .. } | Digest { .. } | Size { .. } => true,
            Status { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    pub(super) fn document(object: &str, what: impl Into<String>) -> RegistryError {
        RegistryError::Document { object: object.to_string(), what: what.into() }
    }

    pub(super) fn file(path: &Path, what: impl ToString) -> RegistryError {
        RegistryError::File { path: path.to_path_buf(), what: what.to_string() }
    }
}

/// Characters of a server's words that a message repeats.
const LONGEST_SAYING: usize = 300;

/// A server's words, fit for a terminal and a log: one line, short, no control characters, and of URLs no query,
/// which may be a signature.
pub(super) fn sanitised(words: &str) -> String {
    let mut clean = String::new();
    for word in words.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !clean.is_empty() {
            clean.push(' ');
        }
        match word.split_once('?') {
            Some((before, query)) if !query.is_empty() && word.contains("://") => {
                clean.push_str(before);
                clean.push_str("?…");
            }
            _ => clean.push_str(word),
        }
        if clean.chars().count() > LONGEST_SAYING {
            return clean.chars().take(LONGEST_SAYING).chain(['…']).collect();
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_are_short_plain_and_without_signatures() {
        assert_eq!(sanitised(" no\r\n\x1b[31msuch  thing\0"), "no [31msuch thing");
        assert_eq!(sanitised("see https://cdn.test/x?sig=secret now"), "see https://cdn.test/x?… now");
        assert_eq!(sanitised("why?"), "why?");
        assert_eq!(sanitised(&"é".repeat(1000)).chars().count(), LONGEST_SAYING + 1);
    }
}
