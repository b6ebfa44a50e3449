//! The options of commands that ask a registry: which image, for which platform, and how.

use std::path::PathBuf;

use super::Failure;
use crate::registry::{Client, Environment, Options, Platform, Preferred, Reference, RegistryError};

#[derive(clap::Args)]
pub struct Source {
    /// The image: [docker://][HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST]
    reference: String,
    #[command(flatten)]
    options: RegistryOptions,
}

/// How a registry is asked.
#[derive(clap::Args)]
pub struct RegistryOptions {
    /// Which image of an index, in Go's names
    #[arg(long, default_value = "linux")]
    os: String,
    /// Which image of an index, in Go's names [default: this machine's]
    #[arg(long, value_name = "GOARCH")]
    arch: Option<String>,
    /// Which image of an index, as v7 of arm
    #[arg(long)]
    variant: Option<String>,
    /// Of an image with gzip and one with zstd layers for the platform, take the one with gzip
    #[arg(long)]
    prefer_gzip: bool,
    /// Do not check certificates, and try plain HTTP
    #[arg(long)]
    no_tls_verify: bool,
    /// The only file of credentials to look at [default: containers' and Docker's]
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
}

impl Source {
    /// The reference.
    pub fn reference(&self) -> Result<Reference, Failure> {
        Ok(self.reference.parse()?)
    }

    /// How the registry is asked.
    pub fn options(&self) -> &RegistryOptions {
        &self.options
    }

    /// The name as it was written, without tag and digest.
    pub fn name(&self) -> String {
        let text = self.reference.strip_prefix("docker://").unwrap_or(&self.reference);
        let text = text.split('@').next().unwrap_or(text);
        match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => name.to_string(),
            _ => text.to_string(),
        }
    }

    /// The name and tag to give an image: those wanted, or the reference's own.
    pub fn name_and_tag(&self, wanted: Option<&str>) -> Result<(String, String), Failure> {
        let own = self.reference()?.tag().unwrap_or("latest").to_string();
        Ok(match wanted {
            None => (self.name(), own),
            Some(wanted) => match wanted.rsplit_once(':') {
                Some((name, tag)) if !tag.contains('/') => (name.to_string(), tag.to_string()),
                _ => (wanted.to_string(), own),
            },
        })
    }
}

impl RegistryOptions {
    /// The platform.
    pub fn platform(&self) -> Platform {
        let of_this_machine = || match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "loongarch64" => "loong64",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Platform {
            os: self.os.clone(),
            architecture: self.arch.clone().unwrap_or_else(|| of_this_machine().to_string()),
            variant: self.variant.clone(),
        }
    }

    /// Whether an image without zstd layers comes first.
    pub fn prefer_gzip(&self) -> bool {
        self.prefer_gzip
    }

    /// Whether certificates are checked.
    pub fn tls_verify(&self) -> bool {
        !self.no_tls_verify
    }

    /// A client.
    pub fn client(&self) -> Result<Client, RegistryError> {
        let options = Options {
            tls_verify: self.tls_verify(),
            auth_file: self.authfile.clone(),
            preferred: if self.prefer_gzip { Preferred::Gzip } else { Preferred::Zstd },
            ..Options::default()
        };
        Client::new(&Environment::of_process(), options)
    }
}
