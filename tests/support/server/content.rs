//! What a registry has, and how an honest one answers.

use std::collections::BTreeMap;
use std::path::Path;

use gantry::digest::Digest;
use gantry::image::{Descriptor, media};
use gantry::registry::Reference;
use serde_json::{Value, json};

use super::{Asked, Reply, Server};

/// Manifests and blobs of the repository `app`.
#[derive(Default, Clone)]
pub struct Content {
    manifests: BTreeMap<String, (String, Vec<u8>)>,
    blobs: BTreeMap<String, Vec<u8>>,
}

impl Content {
    /// An image `latest` of these layers, and its manifest's digest.
    pub fn image(layers: &[&[u8]]) -> (Content, Digest) {
        let mut content = Content::default();
        let digest = content.add_image(layers, json!({}));
        (content, digest)
    }

    /// Adds an image as `latest`, whose configuration says these things, too.
    pub fn add_image(&mut self, layers: &[&[u8]], config: Value) -> Digest {
        let layers: Vec<Value> = layers.iter().map(|layer| self.blob(media::LAYER, layer)).collect();
        let diff_ids: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
        let mut whole = json!({ "os": "linux", "architecture": "amd64", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
        whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        let config = self.blob(media::CONFIG, whole.to_string().as_bytes());
        self.manifest(
            "latest",
            media::MANIFEST,
            json!({
                "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": layers,
            }),
        )
    }

    /// Adds a blob; its descriptor.
    pub fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes).to_string();
        self.blobs.insert(digest.clone(), bytes.to_vec());
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Adds a manifest, under its digest and a tag.
    pub fn manifest(&mut self, tag: &str, media_type: &str, document: Value) -> Digest {
        self.bytes(tag, media_type, document.to_string().into_bytes())
    }

    pub fn bytes(&mut self, tag: &str, media_type: &str, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        for name in [tag.to_string(), digest.to_string()] {
            self.manifests.insert(name, (media_type.to_string(), bytes.clone()));
        }
        digest
    }

    /// The bytes of a manifest.
    pub fn manifest_size(&self, digest: Digest) -> usize {
        self.manifests[&digest.to_string()].1.len()
    }

    /// Changes a manifest, but not its names.
    pub fn tamper_manifest(&mut self, name: &str, change: impl Fn(&mut Vec<u8>)) {
        change(&mut self.manifests.get_mut(name).unwrap().1);
    }

    pub fn tamper_blob(&mut self, digest: Digest, change: impl Fn(&mut Vec<u8>)) {
        change(self.blobs.get_mut(&digest.to_string()).unwrap());
    }

    /// What an honest registry answers.
    pub fn answer(&self, asked: &Asked) -> Reply {
        let path = asked.path.split('?').next().unwrap();
        if path == "/v2/" {
            return Reply::new(200);
        }
        if let Some((media_type, bytes)) =
            path.strip_prefix("/v2/app/manifests/").and_then(|name| self.manifests.get(name))
        {
            return Reply::new(200).header("Content-Type", media_type).body(bytes);
        }
        let Some(blob) = path.strip_prefix("/v2/app/blobs/").and_then(|digest| self.blobs.get(digest)) else {
            return Reply::new(404)
                .json(json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown" }] }));
        };
        match asked.from() {
            Some(from) => Reply::new(206)
                .header("Content-Range", format!("bytes {from}-{}/{}", blob.len() - 1, blob.len()))
                .body(&blob[from..]),
            None => Reply::new(200).body(blob),
        }
    }

    pub fn serve(self) -> Server {
        Server::start(move |asked| self.answer(asked))
    }
}

/// `app:latest` there.
pub fn app(server: &Server) -> Reference {
    format!("{}/app", server.host()).parse().unwrap()
}

/// A descriptor of bytes.
pub fn descriptor(bytes: &[u8]) -> Descriptor {
    Descriptor::new(media::LAYER, Digest::of(bytes), bytes.len() as u64)
}

/// The names in a folder.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
