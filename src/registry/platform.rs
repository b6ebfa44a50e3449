//! Entries of an index as a registry sent them, for the choice among them.

use std::collections::BTreeMap;

use super::documents::Offer;
use crate::image::platform::Entry;

impl Entry for Offer {
    fn platform(&self) -> Option<[&str; 3]> {
        let platform = self.platform.as_ref()?;
        Some([&platform.os, &platform.architecture, platform.variant.as_deref().unwrap_or_default()])
    }

    fn annotations(&self) -> &BTreeMap<String, String> {
        &self.descriptor.annotations
    }
}
