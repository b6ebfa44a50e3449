//! `gantry inspect`: the layers of an image, here or in a registry.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::Failure;
use super::progress::Display;
use super::size::human;
use super::source::RegistryOptions;
use super::standard_output::StandardOutput;
use crate::base::{self, Container, Opened};
use crate::digest::Digest;
use crate::image::received::{self, Received};
use crate::image::{self, History};
use crate::printable::printable;
use crate::registry::Reference;

#[derive(clap::Args)]
pub struct Arguments {
    /// An OCI image layout (a directory), an OCI archive, a docker-archive, or docker://REFERENCE
    image: PathBuf,
    #[command(flatten)]
    options: RegistryOptions,
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
    /// Of the manifest; a docker-archive has none.
    digest: Option<Digest>,
    config_digest: Digest,
    created: Option<String>,
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
    digest: Option<Digest>,
    diff_id: Digest,
    /// Bytes of the blob.
    size: u64,
    paths: Vec<String>,
}

pub fn run(
    arguments: Arguments,
    stdout: StandardOutput,
    interrupted: Arc<AtomicBool>,
) -> Result<(), Failure> {
    let remote = arguments.image.to_str().filter(|image| image.starts_with("docker://"));
    let report = match remote {
        Some(reference) => Report::of_registry(reference, &arguments.options, interrupted)?,
        None => {
            let display = Display::new(false, interrupted);
            Report::new(base::open(&arguments.image, None, &display)?)?
        }
    };
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&report)? + "\n",
        false => report.table(),
    };
    stdout.print(&text)
}

impl Report {
    fn new(opened: Opened) -> Result<Report, Failure> {
        let Opened { container, reference, manifest, config_document, config, layers } = opened;
        let annotations = match &manifest {
            Some((descriptor, document)) => {
                let said = Some(&descriptor.media_type[..]);
                match received::document(&document.bytes, said).map_err(Failure::Message)? {
                    (_, Received::Manifest(manifest)) => manifest.annotations,
                    (_, Received::Index(index)) => index.annotations,
                }
            }
            None => Default::default(),
        };
        let layers: Vec<Layer> = layers
            .into_iter()
            .zip(image::layer_history(&config))
            .map(|(layer, history)| Layer {
                media_type: image::layer_type(layer.encoding).to_string(),
                digest: layer.digest,
                diff_id: layer.diff_id,
                size: layer.extent.size,
                paths: history.as_ref().and_then(History::store_paths).unwrap_or_default(),
            })
            .collect();
        Ok(Report {
            format: match container {
                Container::Layout => "layout",
                Container::Archive => "archive",
                Container::DockerArchive => "docker-archive",
            },
            reference,
            digest: manifest.map(|(descriptor, _)| descriptor.digest),
            config_digest: config_document.digest,
            created: config.created,
            os: config.os,
            architecture: config.architecture,
            variant: config.variant,
            size: total(&layers),
            layers,
            config: config.config,
            annotations,
        })
    }

    /// What a registry says; layers are not downloaded.
    fn of_registry(
        reference: &str,
        options: &RegistryOptions,
        interrupted: Arc<AtomicBool>,
    ) -> Result<Report, Failure> {
        let display = Display::new(false, interrupted);
        let (client, platform) = (options.client()?, options.platform());
        let reference: Reference = reference.parse()?;
        let resolved = client.resolve(&reference, &platform, &display)?;
        let bytes = client.config(&reference, &resolved.image, &platform, &display)?;
        display.finish();
        let config = received::config(&bytes).map_err(Failure::Message)?;
        let histories = image::layer_history(&config);
        let layers: Vec<Layer> = resolved
            .image
            .layers
            .iter()
            .zip(&config.rootfs.diff_ids)
            .zip(histories)
            .map(|((layer, &diff_id), history)| Layer {
                media_type: layer.media_type.clone(),
                digest: Some(layer.digest),
                diff_id,
                size: layer.size,
                paths: history.as_ref().and_then(History::store_paths).unwrap_or_default(),
            })
            .collect();
        Ok(Report {
            format: "registry",
            reference: Some(reference.to_string()),
            digest: Some(resolved.manifest.digest),
            config_digest: resolved.image.config.digest,
            created: config.created,
            os: config.os,
            architecture: config.architecture,
            variant: config.variant,
            size: total(&layers),
            layers,
            config: config.config,
            annotations: resolved.image.annotations,
        })
    }

    fn table(&self) -> String {
        let variant = self.variant.as_ref().map(|v| format!("/{}", printable(v))).unwrap_or_default();
        let mut out = format!(
            "image     {}\nplatform  {}/{}{variant}\ncreated   {}\nmanifest  {}\nconfig    {}\n\n{:>5} {:>9}  {:19}  paths\n",
            printable(self.reference.as_deref().unwrap_or("(unnamed)")),
            printable(&self.os),
            printable(&self.architecture),
            printable(self.created.as_deref().unwrap_or("(unknown)")),
            self.digest.map_or("(none)".to_string(), |digest| digest.to_string()),
            self.config_digest,
            "layer",
            "size",
            "digest",
        );
        for (i, layer) in self.layers.iter().enumerate() {
            let digest = &layer.digest.unwrap_or(layer.diff_id).to_string()[..19];
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

/// Bytes of all blobs. The sizes in one manifest add up to less than 2^63, which is checked where it is read; those of a
/// docker-archive whose members share a sparse file may add up to more.
fn total(layers: &[Layer]) -> u64 {
    layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.size))
}

/// The names of a few store paths, without their hashes.
fn summary(paths: &[String]) -> String {
    const SHOWN: usize = 3;
    let name = |path: &String| {
        let base = path.rsplit('/').next().unwrap_or(path);
        printable(base.split_once('-').map_or(base, |(_, name)| name)).into_owned()
    };
    let shown: Vec<String> = paths.iter().take(SHOWN).map(name).collect();
    match paths.len() {
        0 => "(root layer)".to_string(),
        n if n > SHOWN => format!("{} and {} more", shown.join(", "), n - SHOWN),
        _ => shown.join(", "),
    }
}
