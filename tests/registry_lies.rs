//! Registries that lie about documents and bytes. (How they let one in: registry_auth.rs; how lines break:
//! registry_lines.rs; honest ones: registry_pull.rs.)
//!
//! Where each number of the list of bad inputs for pulling is tested; `unit` is in src/registry/.
//!
//! | number | where | | number | where |
//! |---|---|---|---|---|
//! | 1–3 | `documents_are_what_their_digests_and_sizes_say` | | 46 | auth: `challenges_*`; unit `challenge` |
//! | 4–5 | `tampered_blobs_leave_nothing_behind` | | 47–49 | auth: `tokens_*`, `a_wider_scope_*` |
//! | 6–7 | `longer_and_shorter_blobs` | | 50–53 | auth: `redirects_*` |
//! | 8–9 | `docker_content_digest_is_checked_if_there` | | 54–55 | lines: `busy_servers_*`; unit `retry` |
//! | 10 | unit `reference`; here `bad_digests_in_documents` | | 56 | lines: `cut_blobs_*`; unit `range` |
//! | 11–12 | `endless_and_large_documents` | | 57 | lines: `stalled_*` |
//! | 13 | auth: `what_is_no_token_*`; unit `token` | | 58 | lines: `lengths_that_lie` |
//! | 14–19 | `odd_documents`; unit `documents` | | 59 | lines: `encoded_blobs_*` |
//! | 20 | `other_things_than_images` | | 60 | lines: `floods_of_headers` |
//! | 21–29 | `platforms`, `nested_indexes`; unit `platform` | | 61 | auth: `certificates` |
//! | 30–32 | unit `documents` | | 62 | auth: `proxies`; unit `proxy` |
//! | 33 | `foreign_layers_come_from_the_registry_alone` | | 63 | unit `credentials`, `auth_file`, `helper` |
//! | 39–44 | `configurations` (39: the count) | | 64 | unit `reference` |
//! | 65 | `a_full_disk_leaves_nothing` | | 66–67 | `equal_layers` |
//!
//! Not the client's: 34–38 (decompression), 39's values, 45 (hash of the archive): they belong to the writer of
//! docker-archives, which alone unpacks layers.

mod support;

use gantry::digest::Digest;
use gantry::image::media;
use gantry::layer::Silent;
use gantry::registry::{Kind, Platform, RegistryError, Sink};
use serde_json::{Value, json};
use support::Folder;
use support::server::{Content, Reply, Server, World, app, descriptor, names};

fn amd64() -> Platform {
    Platform { os: "linux".to_string(), architecture: "amd64".to_string(), variant: None }
}

/// What resolving `app:latest` comes to.
fn resolve(content: Content) -> Result<Digest, RegistryError> {
    let server = content.serve();
    World::new().client().resolve(&app(&server), &amd64(), &Silent).map(|resolved| resolved.manifest.digest)
}

/// The error of it, which is the registry's fault.
#[track_caller]
fn refused(content: Content) -> String {
    let error = resolve(content).unwrap_err();
    assert_eq!(error.kind(), Kind::Content, "{error}");
    error.to_string()
}

fn entry(content: &mut Content, platform: &str, layer: &[u8]) -> (Value, Digest) {
    let digest = content.add_image(&[layer], json!({}));
    let size = content.manifest_size(digest);
    let mut entry = json!({ "mediaType": media::MANIFEST, "digest": digest.to_string(), "size": size });
    let parts: Vec<&str> = platform.split('/').collect();
    if parts.len() > 1 {
        entry["platform"] = json!({ "os": parts[0], "architecture": parts[1] });
    }
    if let Some(variant) = parts.get(2) {
        entry["platform"]["variant"] = json!(variant);
    }
    (entry, digest)
}

fn index(content: &mut Content, entries: Vec<Value>) -> Digest {
    let index = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": entries });
    content.manifest("latest", media::INDEX, index)
}

#[test]
fn documents_are_what_their_digests_and_sizes_say() {
    let (mut content, digest) = Content::image(&[b"one"]);
    content.tamper_manifest(&digest.to_string(), |bytes| bytes.push(b' '));
    let server = content.serve();
    let error = World::new().client().manifest(&app(&server).with_digest(digest), &Silent).unwrap_err();
    assert!(matches!(error, RegistryError::Digest { expected, .. } if expected == digest), "{error}");

    let mut content = Content::default();
    let (one, digest) = entry(&mut content, "linux/amd64", b"one");
    index(&mut content, vec![one.clone()]);
    assert_eq!(resolve(content.clone()).unwrap(), digest);
    // Of the same length: only the digest tells.
    let mut tampered = content.clone();
    tampered.tamper_manifest(&digest.to_string(), |bytes| *bytes.last_mut().unwrap() = b' ');
    assert!(refused(tampered).contains("its digest is"));
    let mut wrong_size = one;
    wrong_size["size"] = json!(wrong_size["size"].as_u64().unwrap() + 1);
    index(&mut content, vec![wrong_size]);
    assert!(refused(content).contains("bytes, expected"));
}

#[test]
fn docker_content_digest_is_checked_if_there() {
    let (content, digest) = Content::image(&[b"one"]);
    for (says, right) in [
        (Some(digest.to_string()), true),
        (None, true),
        (Some(format!("sha512:{}", "0".repeat(128))), true),
        (Some(Digest::of(b"other").to_string()), false),
        (Some("sha256:short".to_string()), false),
    ] {
        let (content, header) = (content.clone(), says.clone());
        let server = Server::start(move |asked| {
            let reply = content.answer(asked);
            header.iter().fold(reply, |reply, says| reply.header("Docker-Content-Digest", says))
        });
        let found = World::new().client().manifest(&app(&server), &Silent);
        assert_eq!(found.is_ok_and(|found| found.digest == digest), right, "{says:?}");
    }
}

#[test]
fn bad_digests_in_documents() {
    for bad in ["sha256:../../x", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        let mut content = Content::default();
        let (mut one, _) = entry(&mut content, "linux/amd64", b"one");
        one["digest"] = json!(bad);
        index(&mut content, vec![one]);
        let server = content.serve();
        assert!(World::new().client().resolve(&app(&server), &amd64(), &Silent).is_err());
        assert_eq!(server.paths(), ["/v2/app/manifests/latest"], "{bad}");
    }
}

#[test]
fn endless_and_large_documents() {
    let large = |length: usize| {
        let mut bytes = json!({ "schemaVersion": 2 }).to_string().into_bytes();
        bytes.resize(length, b' ');
        let mut content = Content::default();
        content.bytes("latest", media::MANIFEST, bytes);
        content
    };
    // At the limit it is read, and found wanting.
    assert!(refused(large(4 << 20)).contains("config is missing"));
    assert!(refused(large((4 << 20) + 1)).contains("the manifest has more than 4194304 bytes"));
    let server = Server::start(|asked| match asked.path.as_str() {
        "/v2/" => Reply::new(200),
        _ => Reply::new(200).header("Content-Type", media::MANIFEST).body(vec![b' '; 1 << 16]).endless(),
    });
    let error = World::new().client().manifest(&app(&server), &Silent).unwrap_err().to_string();
    assert!(error.contains("more than 4194304 bytes"), "{error}");

    let (content, _) = Content::image(&[]);
    let server = content.serve();
    let client = World::new().client();
    let mut image = client.resolve(&app(&server), &amd64(), &Silent).unwrap().image;
    image.config.size = (4 << 20) + 1;
    let asked = server.asked().len();
    let error = client.config(&app(&server), &image, &amd64(), &Silent).unwrap_err().to_string();
    assert!(error.contains("clients read at most 4194304"), "{error}");
    assert_eq!(server.asked().len(), asked);
}

#[test]
fn odd_documents() {
    let with = |media_type: &str, document: String| {
        let mut content = Content::default();
        content.bytes("latest", media_type, document.into_bytes());
        refused(content)
    };
    let (content, _) = Content::image(&[b"one"]);
    let server = content.serve();
    let bytes = World::new().client().manifest(&app(&server), &Silent).unwrap().bytes;
    let manifest = String::from_utf8(bytes).unwrap();
    let added = |text: &str| manifest.replacen('{', &format!("{{{text},"), 1);
    for (media_type, document, says) in [
        (media::MANIFEST, format!("{}{}", r#"{"x":"#, "[".repeat(100_000)), "levels deep"),
        (media::MANIFEST, added(r#""layers":[]"#), "there twice"),
        (media::MANIFEST, added(r#""manifests":[]"#), "readers would differ"),
        (media::MANIFEST, added(r#""fsLayers":[]"#), "readers would differ"),
        (media::INDEX, manifest.clone(), "calls itself"),
        (media::MANIFEST, r#"{"schemaVersion":1}"#.to_string(), "schema 1, which is not supported"),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", "{}".to_string(), "schema 1"),
        ("text/html", "<html>log in".to_string(), "not JSON"),
    ] {
        let error = with(media_type, document);
        assert!(error.contains(says) && error.contains("/v2/app/manifests/latest"), "{error}");
    }
}

#[test]
fn other_things_than_images() {
    for (config, layer, says) in [
        ("application/vnd.cncf.helm.config.v1+json", media::LAYER_GZIP, "it is not an image"),
        ("application/vnd.oci.empty.v1+json", media::LAYER, "it is not an image"),
        (media::CONFIG, "application/vnd.in-toto+json", "unknown type"),
    ] {
        let mut content = Content::default();
        let (config, layer) = (content.blob(config, b"{}"), content.blob(layer, b"x"));
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
        content.manifest("latest", media::MANIFEST, manifest);
        let error = refused(content);
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn platforms() {
    for (offered, wanted) in [
        (vec!["unknown/unknown", "linux/arm64", "linux/amd64"], Some(2)),
        (vec!["linux/amd64", "linux/amd64"], Some(0)),
        (vec!["-"], Some(0)),
        (vec!["linux/amd64/v2", "linux/arm64"], None),
        (vec![], None),
    ] {
        let mut content = Content::default();
        let entries: Vec<(Value, Digest)> = offered
            .iter()
            .enumerate()
            .map(|(at, platform)| entry(&mut content, platform, &[at as u8]))
            .collect();
        index(&mut content, entries.iter().map(|(entry, _)| entry.clone()).collect());
        match (resolve(content), wanted) {
            (Ok(found), Some(wanted)) => assert_eq!(found, entries[wanted].1, "{offered:?}"),
            (Err(error), None) => {
                assert_eq!(error.kind(), Kind::Usage);
                let list = if offered.is_empty() { "none".to_string() } else { offered.join(", ") };
                assert!(
                    error.to_string().ends_with(&format!("no image for linux/amd64; offered: {list}")),
                    "{error}"
                );
            }
            (found, _) => panic!("{offered:?}: {found:?}"),
        }
    }
}

#[test]
fn nested_indexes() {
    let nested = |depth: usize| {
        let mut content = Content::default();
        let (other, _) = entry(&mut content, "linux/arm64", b"other");
        let (one, digest) = entry(&mut content, "linux/amd64", b"one");
        let pointer = |content: &Content, digest: Digest| json!({ "mediaType": media::INDEX, "digest": digest.to_string(), "size": content.manifest_size(digest) });
        let foreign = index(&mut content, vec![other]);
        let foreign = pointer(&content, foreign);
        let mut at = index(&mut content, vec![one]);
        for _ in 0..depth {
            // Before the right one, one that says nothing of its platforms and has others.
            let inner = pointer(&content, at);
            at = index(&mut content, vec![foreign.clone(), inner]);
        }
        (content, digest)
    };
    for depth in 0..=3 {
        let (content, digest) = nested(depth);
        assert_eq!(resolve(content).unwrap(), digest, "{depth}");
    }
    assert!(refused(nested(4).0).contains("it lies in more than 4 other indexes"));
    // An index that says of a manifest that it is an index.
    let mut content = Content::default();
    let (mut one, _) = entry(&mut content, "linux/amd64", b"one");
    one["mediaType"] = json!(media::INDEX);
    index(&mut content, vec![one]);
    assert!(refused(content).contains("the index calls it"));
}

#[test]
fn tampered_blobs_leave_nothing_behind() {
    let layer = vec![7; 300_000];
    let (mut content, _) = Content::image(&[&layer]);
    content.tamper_blob(Digest::of(&layer), |bytes| bytes[200_000] ^= 1);
    let server = content.serve();
    let client = World::new().client();
    let image = client.resolve(&app(&server), &amd64(), &Silent).unwrap().image;
    let folder = Folder::new();
    let error = client.blobs(&app(&server), &image.layers, folder.path(), &Silent).unwrap_err();
    assert!(matches!(error, RegistryError::Digest { .. }), "{error}");
    assert!(names(folder.path()).is_empty());
    // Once: what is wrong does not get right by asking again.
    assert_eq!(server.paths().iter().filter(|path| path.contains("/blobs/")).count(), 1);

    let (mut content, _) = Content::image(&[]);
    let server = content.clone().serve();
    let client = World::new().client();
    let image = client.resolve(&app(&server), &amd64(), &Silent).unwrap().image;
    client.config(&app(&server), &image, &amd64(), &Silent).unwrap();
    content.tamper_blob(image.config.digest, |bytes| bytes[0] = b' ');
    let server = content.serve();
    let error = client.config(&app(&server), &image, &amd64(), &Silent).unwrap_err();
    assert!(matches!(error, RegistryError::Digest { .. }), "{error}");
}

#[test]
fn longer_and_shorter_blobs() {
    let layer = vec![7; 100_000];
    for (change, says) in
        [(1i64, "found 100001 bytes, expected 100000"), (-1, "found 99999 bytes, expected 100000")]
    {
        let (mut content, _) = Content::image(&[&layer]);
        content.tamper_blob(Digest::of(&layer), |bytes| bytes.resize((100_000 + change) as usize, 7));
        // Without ranges, so that a short blob stays one.
        let server = Server::start(move |asked| {
            content.answer(&support::server::Asked { headers: Vec::new(), ..asked.clone() })
        });
        let folder = Folder::new();
        let world = World::new();
        let error =
            world.client().blobs(&app(&server), &[descriptor(&layer)], folder.path(), &Silent).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(names(folder.path()).is_empty());
        // Its Content-Length said so: asking again would get the same.
        assert_eq!((server.asked().len(), world.slept()), (1, vec![]));
    }
    // One that does not say how long it is, and never ends.
    let server = Server::start(|asked| match asked.path.as_str() {
        "/v2/" => Reply::new(200),
        _ => Reply::new(200).body(vec![7; 10_000]).endless(),
    });
    let mut sink = Vec::new();
    let error =
        World::new().client().blob(&app(&server), &descriptor(&layer), &mut sink, &Silent).unwrap_err();
    assert!(matches!(error, RegistryError::Size { .. }) && sink.len() <= layer.len(), "{error}");
}

#[test]
fn equal_layers() {
    let server = Content::image(&[b"same", b"same", b"other", b"same"]).0.serve();
    let client = World::new().client();
    let image = client.resolve(&app(&server), &amd64(), &Silent).unwrap().image;
    let folder = Folder::new();
    let paths = client.blobs(&app(&server), &image.layers, folder.path(), &Silent).unwrap();
    assert_eq!((paths[0].clone(), paths.len()), (folder.join(Digest::of(b"same").hex()), 4));
    assert_eq!(server.paths().iter().filter(|path| path.contains("/blobs/")).count(), 2);
    let mut lying = image.layers.clone();
    lying[1].size += 1;
    let error = client.blobs(&app(&server), &lying, folder.path(), &Silent).unwrap_err().to_string();
    assert!(error.contains("it is said to have 4 bytes, and 5"), "{error}");
}

#[test]
fn foreign_layers_come_from_the_registry_alone() {
    let elsewhere = Content::default().serve();
    for (there, urls) in
        [(true, vec![]), (false, vec!["http://169.254.169.254/".to_string(), elsewhere.url("/x")])]
    {
        let mut content = Content::default();
        let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        let config = json!({ "rootfs": { "type": "layers", "diff_ids": [Digest::of(b"x").to_string()] } });
        let config = content.blob(media::CONFIG, config.to_string().as_bytes());
        let mut layer = descriptor(b"layer");
        if there {
            content.blob(foreign, b"layer");
        }
        layer.media_type = foreign.to_string();
        let mut layer = serde_json::to_value(&layer).unwrap();
        layer["urls"] = json!(urls);
        content.manifest(
            "latest",
            media::MANIFEST,
            json!({ "schemaVersion": 2, "config": config, "layers": [layer] }),
        );
        let server = content.serve();
        let client = World::new().logged_in(&server.host()).client();
        let image = client.resolve(&app(&server), &amd64(), &Silent).unwrap().image;
        let folder = Folder::new();
        assert_eq!(client.blobs(&app(&server), &image.layers, folder.path(), &Silent).is_ok(), there);
    }
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn configurations() {
    let config = |bytes: &[u8], layers: &[&[u8]]| {
        let mut content = Content::default();
        let config = content.blob(media::CONFIG, bytes);
        let layers: Vec<Value> = layers.iter().map(|layer| content.blob(media::LAYER, layer)).collect();
        content.manifest(
            "latest",
            media::MANIFEST,
            json!({ "schemaVersion": 2, "config": config, "layers": layers }),
        );
        let server = content.serve();
        let world = World::new();
        let client = world.client();
        let image = client.resolve(&app(&server), &amd64(), &Silent).unwrap().image;
        let found = client.config(&app(&server), &image, &amd64(), &Silent).map_err(|e| e.to_string());
        (found, world.warnings())
    };
    let rootfs = r#""rootfs":{"type":"layers","diff_ids":[]}"#;
    for (bytes, layers, says) in [
        (format!("{{{rootfs}}}"), &[&b"x"[..]][..], "0 diff_ids, and the manifest 1 layers"),
        ("[]".to_string(), &[], "it is [], expected an object"),
        (format!("\u{feff}{{{rootfs}}}"), &[], "not JSON"),
        (format!("{{{rootfs}}} x"), &[], "trailing"),
        ("hello".to_string(), &[], "not JSON"),
        ("{}".to_string(), &[], "rootfs is missing"),
        (format!(r#"{{"config":{{"Env":3}},{rootfs}}}"#), &[], "config.Env is 3, expected a list"),
    ] {
        let error = config(bytes.as_bytes(), layers).0.unwrap_err();
        assert!(error.contains(says) && error.contains("configuration sha256:"), "{error}");
    }
    // Kept byte for byte, as far as programs in Go read it.
    let mut odd = format!(r#"{{"author":"?","config":{{"Env":null}},{rootfs}}}"#).into_bytes();
    odd[11] = 0xff;
    assert_eq!(config(&odd, &[]).0.unwrap(), odd);
    let other = format!(r#"{{"os":"linux","architecture":"s390x",{rootfs}}}"#);
    let (found, warnings) = config(other.as_bytes(), &[]);
    assert_eq!(found.unwrap(), other.as_bytes());
    assert!(warnings[0].contains("is an image for linux/s390x, not for linux/amd64"), "{warnings:?}");
}

#[test]
fn a_full_disk_leaves_nothing() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl Sink for Full {
        fn restart(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let layer = vec![7; 500_000];
    let server = Content::image(&[&layer]).0.serve();
    let client = World::new().client();
    let error = client.blob(&app(&server), &descriptor(&layer), &mut Full(200_000), &Silent).unwrap_err();
    assert!(matches!(error, RegistryError::Write { .. }) && error.kind() == Kind::Environment, "{error}");
    // Not tried again: a disk does not get emptier.
    assert_eq!(server.asked().len(), 1);
    let missing = Folder::new().join("missing");
    let error = client.blobs(&app(&server), &[descriptor(&layer)], &missing, &Silent).unwrap_err();
    assert!(matches!(error, RegistryError::Write { .. }), "{error}");
}
