//! What a document says that is here already: so an image that was pulled once needs no network again.

use super::documents::{Document, check_image, parse};
use super::{Client, Platform, Reference, RegistryError};
use crate::image::platform::{Preferred, choose, listed};
use crate::image::{Descriptor, Manifest};

/// What a document is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// The manifest of an image.
    Image {
        /// Its media type.
        media_type: String,
        /// What it says.
        manifest: Box<Manifest>,
    },
    /// An index, in which this is the manifest, or index, for the platform.
    Index(Descriptor),
}

/// Reads a manifest or an index; of an index, what is there for `platform`. `object` is for messages.
pub fn read(
    bytes: &[u8],
    object: &str,
    platform: &Platform,
    preferred: Preferred,
) -> Result<Kept, RegistryError> {
    match parse(bytes, None, object)? {
        (media_type, Document::Manifest(manifest)) => {
            check_image(&manifest, object)?;
            Ok(Kept::Image { media_type, manifest })
        }
        (_, Document::Index(offers)) => match choose(platform, &offers, preferred).first() {
            Some(offer) => Ok(Kept::Index(offer.descriptor.clone())),
            None => Err(RegistryError::Platform {
                object: object.to_string(),
                wanted: platform.to_string(),
                offered: listed(&offers),
            }),
        },
    }
}

impl Client {
    /// Whether the user has credentials for the reference's repository.
    pub fn has_credentials(&self, reference: &Reference) -> Result<bool, RegistryError> {
        self.credentials_for(reference.registry(), reference.repository()).map(|found| found.is_some())
    }
}
