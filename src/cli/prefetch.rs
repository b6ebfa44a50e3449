//! `gantry prefetch`: a `builtins.pullImage { ... }` to paste, with the digest that a tag has now.

use std::env;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use base64::Engine;
use serde::Serialize;

use super::Failure;
use super::progress::Display;
use super::source::Source;
use super::standard_output::StandardOutput;
use crate::digest::{Digest, Hasher};
use crate::output::Place;
use crate::pull::Pull;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Add the hash of the docker-archive, as dockerTools wants it (downloads the whole image)
    #[arg(long)]
    hash: bool,
    /// Pin the manifest of the platform, even if the reference names an index of several
    #[arg(long)]
    manifest: bool,
    /// The name in the image [default: that of the reference]
    #[arg(long, value_name = "NAME")]
    final_image_name: Option<String>,
    /// The tag in the image [default: that of the reference]
    #[arg(long, value_name = "TAG")]
    final_image_tag: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The arguments of `builtins.pullImage`, and what they mean.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    image_name: String,
    image_digest: Digest,
    /// Whether the digest is that of an index of several platforms.
    is_index: bool,
    /// The manifest for the platform.
    manifest_digest: Digest,
    os: String,
    arch: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefer_gzip: Option<bool>,
    final_image_name: String,
    final_image_tag: String,
    tls_verify: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
}

pub fn run(
    arguments: Arguments,
    stdout: StandardOutput,
    interrupted: Arc<AtomicBool>,
) -> Result<(), Failure> {
    let display = Display::new(false, interrupted);
    let client = arguments.source.options().client()?;
    let (reference, platform) = (arguments.source.reference()?, arguments.source.options().platform());
    let pull = Pull { client: &client, reference: &reference, platform: &platform, progress: &display };
    let resolved = pull.resolve()?;
    let (name, tag) = arguments.source.name_and_tag(None)?;
    let final_image_name = arguments.final_image_name.unwrap_or(name);
    let final_image_tag = arguments.final_image_tag.unwrap_or(tag);
    let index = resolved.index.as_ref().filter(|_| !arguments.manifest);
    let image_digest = index.map_or(resolved.manifest.digest, |index| index.digest);
    let hash = match arguments.hash {
        false => None,
        true => {
            let temporary = env::temp_dir();
            let folder = super::temporary_directory(&temporary)?;
            let path = folder.path().join("image.tar");
            let pinned = reference.with_digest(image_digest);
            let pull = Pull { reference: &pinned, ..pull };
            let name = (&final_image_name[..], &final_image_tag[..]);
            let archived = pull.docker_archive(&path, Place::Direct, name, &temporary, super::threads(None));
            let hash = archived
                .map_err(Failure::from)
                .and_then(|_| sri(&path).map_err(|e| Failure::Message(format!("{}: {e}", path.display()))));
            Some(hash.map_err(|failure| failure.reworded(|message| folder.hide(message)))?)
        }
    };
    display.finish();
    let report = Report {
        image_name: arguments.source.name(),
        image_digest,
        is_index: index.is_some(),
        manifest_digest: resolved.manifest.digest,
        os: platform.os,
        arch: platform.architecture,
        variant: platform.variant,
        prefer_gzip: arguments.source.options().prefer_gzip().then_some(true),
        final_image_name,
        final_image_tag,
        tls_verify: arguments.source.options().tls_verify(),
        hash,
    };
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&report)? + "\n",
        false => report.call(),
    };
    stdout.print(&text)
}

/// The SHA-256 of a file as Nix writes it (W3C, Subresource Integrity).
fn sri(path: &std::path::Path) -> io::Result<String> {
    struct Hashing(Hasher);
    impl Write for Hashing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hashing = Hashing(Hasher::new());
    io::copy(&mut std::fs::File::open(path)?, &mut hashing)?;
    let digest = hashing.0.finish();
    Ok(format!("sha256-{}", base64::engine::general_purpose::STANDARD.encode(digest.as_bytes())))
}

impl Report {
    /// The call, to paste.
    fn call(&self) -> String {
        let what = match self.is_index {
            true => format!(
                "an index of several platforms; {}/{} is {}",
                self.os, self.arch, self.manifest_digest
            ),
            false => format!("the manifest for {}/{}", self.os, self.arch),
        };
        let mut lines = vec![
            "builtins.pullImage {".to_string(),
            format!("  imageName = {:?};", self.image_name),
            format!("  # {what}"),
            format!("  imageDigest = \"{}\";", self.image_digest),
        ];
        if self.os != "linux" {
            lines.push(format!("  os = {:?};", self.os));
        }
        lines.push(format!("  arch = {:?};", self.arch));
        lines.extend(self.variant.as_ref().map(|variant| format!("  variant = {variant:?};")));
        if self.prefer_gzip == Some(true) {
            lines.push("  preferGzip = true;".to_string());
        }
        lines.push(format!("  finalImageName = {:?};", self.final_image_name));
        lines.push(format!("  finalImageTag = {:?};", self.final_image_tag));
        if !self.tls_verify {
            lines.push("  tlsVerify = false;".to_string());
        }
        lines.extend(self.hash.as_ref().map(|hash| format!("  hash = {hash:?};")));
        lines.push("}\n".to_string());
        lines.join("\n")
    }
}
