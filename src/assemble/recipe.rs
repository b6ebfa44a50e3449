//! The recipe of an image: what is needed to make its archive again, without the derivation, in bytes that are
//! known already.
//!
//! Kept in the executable of `format = "stream"`, where Nix's reference scan finds the store paths in it. What
//! `"now"` means for files is fixed in it, because it is in the digests; the documents are made again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::planned::Planned;
use super::{AssembleError, Plan, Surroundings};
use crate::digest::Digest;
use crate::layer::{self, Blob};
use crate::output::{Expected, Nowhere};
use crate::spec::{ArgumentError, ImageSpec, Timestamp};

/// The form of recipes that this version writes and reads.
const VERSION: u32 = 1;

/// An image that is planned and hashed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    version: u32,
    /// The arguments, base and explicit layers among them.
    arguments: Value,
    /// The directory that holds the root layer.
    root: PathBuf,
    /// The store directory.
    store: PathBuf,
    /// Time of files in store layers, in seconds since 1970.
    mtime: i64,
    /// Store and root layers.
    planned: Planned,
    /// The blobs of all layers, bottom first.
    blobs: Vec<Blob>,
    /// Digest of the configuration, if the time of the run is not in it.
    config: Option<Digest>,
}

/// Why a recipe cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// Not what this version writes.
    #[error("{0}; it was made by another version of gantry")]
    Unknown(String),
    /// The arguments are not what this version accepts.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// A name for the image is not complete.
    #[error("{0:?} is no NAME:TAG")]
    Reference(String),
}

impl Recipe {
    /// The recipe of the image that `plan` is: every layer is made and hashed, and nothing is written.
    /// `arguments` are those that the plan's specification was read from, `root` is the root layer's directory.
    pub fn new(plan: Plan, arguments: Value, root: PathBuf) -> Result<Recipe, AssembleError> {
        let Surroundings { store, threads, progress, .. } = *plan.surroundings;
        let (shared, compression) = (&plan.shared, plan.spec.compression);
        let mut nowhere = Nowhere::open()?;
        let blobs = layer::write_layers(&plan.layers, shared, compression, threads, &mut nowhere, progress)?;
        let mtime = shared.mtime;
        let planned = plan.planned.clone();
        let fixed = matches!(plan.spec.created, Timestamp::At(_));
        // They are made again when the archive is; what is wrong with them is wrong now.
        let documents = plan.documents(&blobs)?;
        let config = documents.blobs.first().filter(|_| fixed).map(|config| config.digest);
        let store = store.to_path_buf();
        Ok(Recipe { version: VERSION, arguments, root, store, mtime, planned, blobs, config })
    }

    /// Reads a recipe.
    pub fn from_json(bytes: &[u8]) -> Result<Recipe, RecipeError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let unknown = |error: serde_json::Error| RecipeError::Unknown(error.to_string());
        match serde_json::from_slice(bytes).map_err(unknown)? {
            Version { version: VERSION } => serde_json::from_slice(bytes).map_err(unknown),
            Version { version } => {
                Err(RecipeError::Unknown(format!("a recipe of version {version}, expected {VERSION}")))
            }
        }
    }

    /// The arguments, checked; the image is called `reference` (`NAME:TAG`) if that is given.
    pub fn spec(&self, reference: Option<&str>) -> Result<ImageSpec, RecipeError> {
        let mut arguments = self.arguments.clone();
        if let Some(reference) = reference {
            let named = reference.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
            let (name, tag) = named.ok_or_else(|| RecipeError::Reference(reference.to_owned()))?;
            arguments["name"] = name.into();
            arguments["tag"] = tag.into();
        }
        Ok(ImageSpec::from_json(&arguments)?)
    }

    /// Where the store paths are.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// The image again: `spec` is what [`Recipe::spec`] gave.
    pub fn plan<'s>(
        &self,
        spec: &'s ImageSpec,
        surroundings: &'s Surroundings<'s>,
    ) -> Result<Plan<'s>, AssembleError> {
        Plan::of_recipe(spec, &self.root, self.mtime, self.planned.clone(), self.config, surroundings)
    }

    /// The blobs that `plan`, which is of this recipe, gives.
    pub fn expected(&self, plan: &Plan) -> Result<Vec<Expected>, AssembleError> {
        let (distinct, places) = layer::distinct(&plan.layers);
        if places.len() != self.blobs.len() {
            let (found, expected) = (places.len(), self.blobs.len());
            return Err(AssembleError::OtherLayers { found, expected });
        }
        let blob = |place| places.iter().position(|&p| p == place).map(|layer| self.blobs[layer]);
        let expected = distinct.iter().enumerate().filter_map(|(place, layer)| {
            let Blob { digest, size, .. } = blob(place)?;
            Some(Expected { digest, size, content: layer.content() })
        });
        Ok(expected.collect())
    }
}
