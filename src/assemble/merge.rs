//! Several images in one archive, as dockerTools' `mergeImages` makes it: each as it is, what they share once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{AssembleError, base_layers, with_layers, write_given};
use crate::base::{self, NamedImage};
use crate::digest::Digest;
use crate::image::index::Member;
use crate::image::{familiar_to_docker, merged};
use crate::layer::{self, Layer, Progress};
use crate::output::Format;

/// Writes the images in the files and directories `paths` to `format`, under the names that they have.
pub fn merge(
    paths: &[PathBuf],
    threads: usize,
    progress: &dyn Progress,
    mut format: Box<dyn Format + '_>,
) -> Result<(), AssembleError> {
    let images = distinct(paths, progress)?;
    let layers: Vec<Vec<Layer>> =
        images.iter().map(|named| digested(base_layers(&named.image))).collect::<Result<_, _>>()?;
    let mut records = write_given(&layers.concat(), threads, progress, format.as_mut())?.into_iter();
    let images = images.into_iter().map(|NamedImage { names, image }| merged::Named {
        names,
        member: Member {
            layers: records.by_ref().take(image.layers.len()).collect(),
            manifest: image.manifest,
            config_document: image.config_document,
            config: image.config,
        },
    });
    let documents = merged::documents(images.collect())?;
    Ok(format.finish(&documents)?)
}

/// The images, each once with all of its names. It is the configuration that makes an image: layers and all
/// else that counts at run time are in it.
fn distinct(paths: &[PathBuf], progress: &dyn Progress) -> Result<Vec<NamedImage>, AssembleError> {
    let mut images: Vec<NamedImage> = Vec::new();
    let mut places: HashMap<Digest, usize> = HashMap::new();
    let mut owners: HashMap<String, (usize, &Path)> = HashMap::new();
    for path in paths {
        for named in base::open_all(path, progress)? {
            let named = NamedImage { image: with_layers(path, named.image)?, ..named };
            let place = *places.entry(named.image.config_document.digest).or_insert_with(|| {
                images.push(NamedImage { names: Vec::new(), image: named.image });
                images.len() - 1
            });
            for name in named.names {
                match owners.insert(familiar_to_docker(&name), (place, path)) {
                    None => images[place].names.push(name),
                    Some((same, _)) if same == place => {}
                    Some((_, other)) => {
                        let (first, second) = (other.to_path_buf(), path.clone());
                        return Err(AssembleError::SameName { name, first, second });
                    }
                }
            }
        }
    }
    Ok(images)
}

/// With the digests that a docker-archive does not say, so that what two archives share is found.
fn digested(layers: Vec<Layer>) -> Result<Vec<Layer>, AssembleError> {
    let digested = layers.into_iter().map(|layer| match layer.recorded {
        Some(_) => Ok(layer),
        None => Ok(Layer { recorded: Some(layer::digest(&layer)?), ..layer }),
    });
    digested.collect()
}
