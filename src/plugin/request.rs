//! What `builtins.pullImage` asks while evaluating, as JSON that `nix/pull-image.nix` writes.
//!
//! Without the network: what a document says, and whether there are credentials. With it: a tag's digest, a
//! document, a blob; the latter two into a file that C++ puts into the store.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;

use crate::digest::Digest;
use crate::image::{Descriptor, Manifest};
use crate::layer::Progress;
use crate::printable::printable;
use crate::registry::{
    self, Client, Environment, Kept, Kind, Options, Platform, Preferred, Reference, RegistryError,
};

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For the user.
    pub message: String,
    /// Whether it is the expression's, so that it will fail again.
    pub users: bool,
}

/// A request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    image_name: String,
    #[serde(default = "yes")]
    tls_verify: bool,
    /// Where to write what comes.
    into: Option<PathBuf>,
    #[serde(flatten)]
    wanted: Wanted,
}

/// What is wanted.
#[derive(Debug, Deserialize)]
#[serde(tag = "request", rename_all = "camelCase")]
enum Wanted {
    /// The digest of a tag.
    Resolve { tag: String },
    /// A manifest or index.
    Document { digest: Digest },
    /// A blob.
    Blob { digest: Digest, size: u64 },
    /// Whether there are credentials.
    Credentials,
    /// Which manifest a document means.
    #[serde(rename_all = "camelCase")]
    Choose {
        digest: Digest,
        document: String,
        os: String,
        arch: String,
        variant: Option<String>,
        prefer_gzip: bool,
    },
    /// What a manifest consists of.
    Describe { digest: Digest, document: String },
}

fn yes() -> bool {
    true
}

impl Request {
    /// Reads a request.
    pub fn parse(json: &[u8]) -> Result<Request, Failure> {
        serde_json::from_slice(json).map_err(|e| Failure::internal(&format!("a request: {e}")))
    }

    /// What it will ask of the network.
    pub fn url(&self) -> Option<String> {
        let reference: Reference = self.image_name.parse().ok()?;
        let what = match &self.wanted {
            Wanted::Resolve { tag } => format!("manifests/{tag}"),
            Wanted::Document { digest } => format!("manifests/{digest}"),
            Wanted::Blob { digest, .. } => format!("blobs/{digest}"),
            Wanted::Credentials | Wanted::Choose { .. } | Wanted::Describe { .. } => return None,
        };
        Some(format!("https://{}/v2/{}/{what}", reference.host(), reference.repository()))
    }

    /// How many bytes will come; 0 if that is not known.
    pub fn expected_bytes(&self) -> u64 {
        match self.wanted {
            Wanted::Blob { size, .. } => size,
            _ => 0,
        }
    }

    /// Does it; the answer is JSON.
    pub fn perform(self, progress: &dyn Progress) -> Result<String, Failure> {
        let reference: Reference = self.image_name.parse()?;
        let client = || {
            let options = Options { tls_verify: self.tls_verify, ..Options::default() };
            Client::new(&Environment::of_process(), options)
        };
        let into = || self.into.clone().ok_or_else(|| Failure::internal("nowhere to write to"));
        let answer = match self.wanted {
            Wanted::Credentials => json!({ "found": client()?.has_credentials(&reference)? }),
            Wanted::Resolve { tag } => {
                let tagged: Reference = format!("{}:{tag}", self.image_name).parse()?;
                json!({ "digest": client()?.manifest(&tagged, progress)?.digest })
            }
            Wanted::Document { digest } => {
                let fetched = client()?.manifest(&reference.with_digest(digest), progress)?;
                let path = into()?;
                std::fs::write(&path, fetched.bytes).map_err(|e| Failure::io(&path, e))?;
                json!({})
            }
            Wanted::Blob { digest, size } => {
                let path = into()?;
                let file = File::create(&path).map_err(|e| Failure::io(&path, e))?;
                let mut file = BufWriter::new(&file);
                let descriptor = Descriptor::new("application/octet-stream", digest, size);
                client()?.blob(&reference, &descriptor, &mut file, progress)?;
                file.into_inner().map_err(|e| Failure::io(&path, e.into_error()))?;
                json!({})
            }
            Wanted::Choose { digest, document, os, arch, variant, prefer_gzip } => {
                let platform = Platform { os, architecture: arch, variant };
                let object = format!("{reference}@{digest}");
                let preferred = if prefer_gzip { Preferred::Gzip } else { Preferred::Zstd };
                match registry::read(document.as_bytes(), &object, &platform, preferred)? {
                    Kept::Image { media_type, .. } => {
                        json!({ "digest": digest, "size": document.len(), "mediaType": media_type })
                    }
                    Kept::Index(chosen) => json!({ "digest": chosen.digest }),
                }
            }
            Wanted::Describe { digest, document } => {
                let manifest: Manifest = serde_json::from_str(&document)
                    .map_err(|e| Failure::internal(&format!("manifest {digest}: {e}")))?;
                let blobs = std::iter::once(&manifest.config).chain(&manifest.layers);
                let blobs: Vec<_> = blobs.map(|b| json!({ "digest": b.digest, "size": b.size })).collect();
                json!({ "blobs": blobs })
            }
        };
        Ok(answer.to_string())
    }
}

impl Failure {
    /// What should not happen.
    pub fn internal(what: &str) -> Failure {
        Failure { message: format!("internal error: {what}; please report it"), users: false }
    }

    fn io(path: &std::path::Path, error: std::io::Error) -> Failure {
        Failure { message: format!("{}: {error}", path.display()), users: false }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Failure {
        Failure { message: printable(&error.to_string()).into_owned(), users: error.kind() == Kind::Usage }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Silent;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn urls_are_those_of_the_registry() {
        let url = |json: serde_json::Value| Request::parse(json.to_string().as_bytes()).unwrap().url();
        let document = json!({ "request": "document", "imageName": "debian", "digest": DIGEST });
        let expected = format!("https://registry-1.docker.io/v2/library/debian/manifests/{DIGEST}");
        assert_eq!(url(document), Some(expected));
        let blob =
            json!({ "request": "blob", "imageName": "localhost:5000/a/b", "digest": DIGEST, "size": 3 });
        assert_eq!(url(blob), Some(format!("https://localhost:5000/v2/a/b/blobs/{DIGEST}")));
        assert_eq!(url(json!({ "request": "credentials", "imageName": "debian" })), None);
    }

    #[test]
    fn documents_are_read_without_the_network() {
        let config =
            json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST, "size": 3 });
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [] }).to_string();
        let ask = |request: &str| {
            let json = json!({
                "request": request, "imageName": "debian", "digest": DIGEST, "document": manifest,
                "os": "linux", "arch": "amd64", "variant": null, "preferGzip": false
            });
            let answer = Request::parse(json.to_string().as_bytes()).unwrap().perform(&Silent).unwrap();
            serde_json::from_str::<serde_json::Value>(&answer).unwrap()
        };
        assert_eq!(ask("choose")["digest"], DIGEST);
        assert_eq!(ask("describe"), json!({ "blobs": [{ "digest": DIGEST, "size": 3 }] }));
    }

    #[test]
    fn a_bad_name_is_the_users_matter() {
        let json = json!({ "request": "credentials", "imageName": "UPPER CASE" }).to_string();
        assert!(Request::parse(json.as_bytes()).unwrap().perform(&Silent).unwrap_err().users);
    }
}
