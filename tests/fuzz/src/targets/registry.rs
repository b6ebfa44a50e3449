//! Manifests, indexes and configurations as registries send them. The first line of an input is the header
//! `Content-Type`, the rest is the document.

use gantry::registry::fuzzing::{check_config, document};
use gantry::registry::{Kept, Platform, Preferred, read};
use serde_json::Value;

pub fn run(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (content_type, bytes) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    // What is in no field that counts need not be text, and then there is nothing to compare with.
    let other: Option<Value> = serde_json::from_slice(bytes).ok();
    let sent = document(bytes, std::str::from_utf8(content_type).ok());
    let unsent = document(bytes, None);
    let _ = check_config(bytes, 1);
    let arm = Platform { os: "linux".into(), architecture: "arm".into(), variant: Some("v7".into()) };
    let found = read(bytes, "it", &arm, Preferred::default());
    let Some(other) = other else { return };
    if let Ok(media_type) = &sent {
        // A server can say what a document is that does not say it, and nothing else.
        match &other["mediaType"] {
            Value::String(own) => assert_eq!((own, unsent.as_ref()), (media_type, Ok(media_type))),
            other => assert!(other.is_null()),
        }
    }
    match found {
        Ok(Kept::Image { manifest, .. }) => {
            assert_eq!(other["config"]["digest"], manifest.config.digest.to_string());
            let layers = other["layers"].as_array().expect("layers");
            assert_eq!(layers.len(), manifest.layers.len());
            for (said, layer) in layers.iter().zip(&manifest.layers) {
                assert_eq!(said["digest"], layer.digest.to_string());
                assert_eq!(said["size"], layer.size);
                assert_eq!(said["mediaType"], layer.media_type);
            }
            assert!(other.get("manifests").is_none());
        }
        Ok(Kept::Index(descriptor)) => {
            let manifests = other["manifests"].as_array().expect("manifests");
            let same = |entry: &&Value| entry["digest"] == descriptor.digest.to_string();
            assert!(manifests.iter().any(|entry| same(&entry)));
            assert!(other.get("layers").is_none() && other.get("config").is_none());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
