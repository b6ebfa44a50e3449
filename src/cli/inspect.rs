//! `gantry inspect`: the layers of an image.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::Failure;
use super::size::human;
use crate::base::{self, Opened};
use crate::digest::Digest;
use crate::image;

#[derive(clap::Args)]
pub struct Arguments {
    /// An OCI image layout (a directory) or an archive of one
    image: PathBuf,
    /// Print JSON, with full digests and all paths
    #[arg(long)]
    json: bool,
}

/// What is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    format: &'static str,
    reference: Option<String>,
    digest: Digest,
    config_digest: Digest,
    created: String,
    os: String,
    architecture: String,
    variant: Option<String>,
    /// Bytes of all layer blobs.
    size: u64,
    layers: Vec<Layer>,
    config: serde_json::Map<String, serde_json::Value>,
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: Digest,
    diff_id: Digest,
    /// Bytes of the blob.
    size: u64,
    paths: Vec<String>,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let report = Report::new(base::open(&arguments.image)?);
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&report)? + "\n",
        false => report.table(),
    };
    match io::stdout().write_all(text.as_bytes()) {
        // Who closes the pipe has seen enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Failure::from),
    }
}

impl Report {
    fn new(opened: Opened) -> Report {
        let Opened { format, reference, descriptor, manifest, config } = opened;
        // One history entry a layer, those marked as empty aside.
        let mut history = config.history.iter().filter(|entry| entry.empty_layer != Some(true));
        let layers: Vec<Layer> = manifest
            .layers
            .into_iter()
            .zip(&config.rootfs.diff_ids)
            .map(|(layer, &diff_id)| {
                let comment = history.next().and_then(|entry| entry.comment.as_deref());
                let paths = comment.and_then(image::store_paths).unwrap_or_default();
                let image::Descriptor { media_type, digest, size, .. } = layer;
                Layer { media_type, digest, diff_id, size, paths }
            })
            .collect();
        Report {
            format,
            reference,
            digest: descriptor.digest,
            config_digest: manifest.config.digest,
            created: config.created,
            os: config.os,
            architecture: config.architecture,
            variant: config.variant,
            size: layers.iter().map(|layer| layer.size).sum(),
            layers,
            config: config.config,
            annotations: manifest.annotations,
        }
    }

    fn table(&self) -> String {
        let variant = self.variant.as_ref().map(|v| format!("/{v}")).unwrap_or_default();
        let mut out = format!(
            "image     {}\nplatform  {}/{}{variant}\ncreated   {}\nmanifest  {}\nconfig    {}\n\n{:>5} {:>9}  {:19}  paths\n",
            self.reference.as_deref().unwrap_or("(unnamed)"),
            self.os,
            self.architecture,
            self.created,
            self.digest,
            self.config_digest,
            "layer",
            "size",
            "digest",
        );
        for (i, layer) in self.layers.iter().enumerate() {
            let digest = &layer.digest.to_string()[..19];
            out += &format!("{:>5} {:>9}  {digest}  {}\n", i + 1, human(layer.size), summary(&layer.paths));
        }
        let paths: usize = self.layers.iter().map(|layer| layer.paths.len()).sum();
        out += &format!(
            "{:>5} {:>9}  {:19}  {paths} store paths in {} layers\n",
            "",
            human(self.size),
            "",
            self.layers.len()
        );
        out
    }
}

/// The names of a few store paths, without their hashes.
fn summary(paths: &[String]) -> String {
    const SHOWN: usize = 3;
    let name = |path: &String| {
        let base = path.rsplit('/').next().unwrap_or(path);
        base.split_once('-').map_or(base, |(_, name)| name).to_string()
    };
    let shown: Vec<String> = paths.iter().take(SHOWN).map(name).collect();
    match paths.len() {
        0 => "(root layer)".to_string(),
        n if n > SHOWN => format!("{} and {} more", shown.join(", "), n - SHOWN),
        _ => shown.join(", "),
    }
}
