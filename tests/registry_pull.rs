//! Pulling from a real registry (docker-registry), what skopeo pushed there, and as skopeo pulls it.

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use gantry::digest::Digest;
use gantry::image::media;
use gantry::layer::Silent;
use gantry::registry::{Kind, Platform, Preferred, Reference, Resolved};
use serde_json::{Value, json};
use support::server::{Authority, Reply, Server, World};
use support::{Folder, MadeImages, MadeLayer, Registry, digest_of, run};

/// An OCI layout with an index `multi` of images for platforms, and their manifests' digests by platform.
struct Layout {
    folder: Folder,
    digests: BTreeMap<String, Digest>,
}

impl Layout {
    fn new(platforms: &[&str]) -> Layout {
        let folder = Folder::new();
        let blob = |media_type: &str, bytes: &[u8]| {
            let digest = Digest::of(bytes);
            folder.write(&format!("blobs/sha256/{}", digest.hex()), bytes);
            json!({ "mediaType": media_type, "digest": digest.to_string(), "size": bytes.len() })
        };
        let mut digests = BTreeMap::new();
        let mut entries = Vec::new();
        for (at, platform) in platforms.iter().enumerate() {
            let parts: Vec<&str> = platform.split('/').collect();
            // Above 1 MiB, and one that all have.
            let tars = [tar(&vec![at as u8; 1_500_000]), tar(b"common")];
            let layers: Vec<Value> = tars.iter().map(|tar| blob(media::LAYER_GZIP, &gzip(tar))).collect();
            let diff_ids: Vec<String> = tars.iter().map(|tar| Digest::of(tar).to_string()).collect();
            let config = json!({
                "os": parts[0], "architecture": parts[1], "config": {},
                "rootfs": { "type": "layers", "diff_ids": diff_ids },
            });
            let config = blob(media::CONFIG, config.to_string().as_bytes());
            let manifest = json!({ "schemaVersion": 2, "mediaType": media::MANIFEST, "config": config, "layers": layers });
            let mut entry = blob(media::MANIFEST, manifest.to_string().as_bytes());
            digests.entry(platform.to_string()).or_insert(entry["digest"].as_str().unwrap().parse().unwrap());
            entry["platform"] = json!({ "os": parts[0], "architecture": parts[1] });
            if let Some(variant) = parts.get(2) {
                entry["platform"]["variant"] = json!(variant);
            }
            entries.push(entry);
        }
        let index = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": entries });
        let mut entry = blob(media::INDEX, index.to_string().as_bytes());
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "multi" });
        folder.write("index.json", json!({ "schemaVersion": 2, "manifests": [entry] }).to_string());
        folder.write("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
        Layout { folder, digests }
    }

    /// Pushes it with skopeo, byte for byte.
    fn push(&self, host: &str, arguments: &[&str]) {
        let from = format!("oci:{}:multi", self.folder.path().display());
        run(Command::new("skopeo")
            .args(["copy", "--insecure-policy", "--all", "--preserve-digests"])
            .args(arguments)
            .args([from, format!("docker://{host}/team/app:multi")]))
        .ok();
    }

    fn blob(&self, digest: Digest) -> Vec<u8> {
        std::fs::read(self.folder.join(format!("blobs/sha256/{}", digest.hex()))).unwrap()
    }
}

fn tar(file: &[u8]) -> Vec<u8> {
    let folder = Folder::new();
    folder.write("root/file", file);
    run(Command::new("tar")
        .args(["--mtime=@1", "--owner=0", "--group=0", "-cf"])
        .arg(folder.join("tar"))
        .args(["-C"])
        .arg(folder.join("root"))
        .arg("file"))
    .ok();
    std::fs::read(folder.join("tar")).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn platform(text: &str) -> Platform {
    let parts: Vec<&str> = text.split('/').collect();
    let variant = parts.get(2).map(|variant| variant.to_string());
    Platform { os: parts[0].to_string(), architecture: parts[1].to_string(), variant }
}

fn reference(host: &str, tag: &str) -> Reference {
    format!("docker://{host}/team/app:{tag}").parse().unwrap()
}

/// Pulls all of an image, and compares every byte with the layout's.
fn pull(world: &World, layout: &Layout, reference: &Reference, wanted: &str) -> Resolved {
    let client = world.client();
    let resolved = client.resolve(reference, &platform(wanted), &Silent).unwrap();
    assert_eq!(resolved.manifest.bytes, layout.blob(resolved.manifest.digest));
    let index = resolved.index.as_ref().unwrap();
    assert_eq!(index.bytes, layout.blob(index.digest));
    let config = client.config(reference, &resolved.image, &platform(wanted), &Silent).unwrap();
    assert_eq!(config, layout.blob(resolved.image.config.digest));
    let folder = Folder::new();
    let paths = client.blobs(reference, &resolved.image.layers, folder.path(), &Silent).unwrap();
    assert_eq!(paths.len(), 2);
    for (path, layer) in paths.iter().zip(&resolved.image.layers) {
        assert!(std::fs::read(path).unwrap() == layout.blob(layer.digest));
    }
    assert_eq!(world.warnings(), Vec::<String>::new());
    resolved
}

#[test]
fn images_come_byte_for_byte() {
    let registry = Registry::start();
    let layout = Layout::new(&["linux/amd64", "linux/arm64/v8"]);
    layout.push(&registry.host(), &["--dest-tls-verify=false"]);
    let world = World::new();
    let tagged = reference(&registry.host(), "multi");
    let resolved = pull(&world, &layout, &tagged, "linux/arm64");
    assert_eq!(resolved.manifest.digest, layout.digests["linux/arm64/v8"]);
    // By digest of the index, and of the manifest.
    let index = resolved.index.unwrap().digest;
    assert_eq!(
        pull(&world, &layout, &tagged.with_digest(index), "linux/amd64").manifest.digest,
        layout.digests["linux/amd64"]
    );
    let one = tagged.with_digest(layout.digests["linux/amd64"]);
    let alone = world.client().resolve(&one, &platform("linux/amd64"), &Silent).unwrap();
    assert_eq!((alone.index, alone.manifest.digest), (None, layout.digests["linux/amd64"]));
}

#[test]
fn dockers_own_format_is_read() {
    let registry = Registry::start();
    let layout = Layout::new(&["linux/amd64"]);
    let from = format!("oci:{}:multi", layout.folder.path().display());
    let to = format!("docker://{}/team/app:docker", registry.host());
    let arguments = ["copy", "--insecure-policy", "--format=v2s2", "--dest-tls-verify=false", &from, &to];
    run(Command::new("skopeo").args(arguments)).ok();
    let tagged = reference(&registry.host(), "docker");
    let resolved = World::new().client().resolve(&tagged, &platform("linux/amd64"), &Silent).unwrap();
    assert_eq!(resolved.manifest.media_type, "application/vnd.docker.distribution.manifest.v2+json");
    assert_eq!(resolved.image.layers.len(), 2);
}

#[test]
fn platforms_are_chosen_as_skopeo_chooses() {
    let registry = Registry::start();
    let layout = Layout::new(&[
        "linux/arm/v5",
        "linux/arm/v6",
        "linux/amd64/v3",
        "linux/arm/v7",
        "linux/s390x",
        "linux/arm64/v8",
        "linux/s390x",
        "linux/riscv64/x",
        "linux/amd64",
    ]);
    layout.push(&registry.host(), &["--dest-tls-verify=false"]);
    let archive = layout.folder.join("archive.tar");
    let archived = ["oci-layout", "index.json", "blobs"];
    run(Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(layout.folder.path()).args(archived)).ok();
    let tagged = reference(&registry.host(), "multi");
    let client = World::new().client();
    let offered = "linux/arm/v5, linux/arm/v6, linux/amd64/v3, linux/arm/v7, linux/s390x, linux/arm64/v8, linux/riscv64/x, \
         linux/amd64";
    for wanted in [
        "linux/arm",
        "linux/arm/v8",
        "linux/arm/v7",
        "linux/arm/v6",
        "linux/arm/v4",
        "linux/arm64",
        "linux/arm64/v9",
        "linux/s390x",
        "linux/s390x/y",
        "linux/riscv64",
        "linux/riscv64/x",
        "linux/amd64",
        "linux/amd64/v2",
        "linux/amd64/v3",
        "windows/amd64",
    ] {
        let parts = platform(wanted);
        let from_registry = client.resolve(&tagged, &parts, &Silent);
        let from_registry =
            from_registry.map(|resolved| resolved.manifest.digest).map_err(|error| error.to_string());
        let opened = |path: &Path| {
            let opened = gantry::base::open(path, Some(&parts), &gantry::layer::Silent)
                .map_err(|error| error.to_string());
            opened.map(|image| image.manifest.expect("a manifest").0.digest)
        };
        for (ours, transport, says) in [
            (from_registry, format!("docker://{}/team/app:multi", registry.host()), "offered: "),
            (
                opened(layout.folder.path()),
                format!("oci:{}:multi", layout.folder.path().display()),
                "there are: ",
            ),
            (opened(&archive), format!("oci-archive:{}:multi", archive.display()), "there are: "),
        ] {
            if let Err(error) = &ours {
                let says = format!("no image for {wanted}; {says}{offered}");
                assert!(error.ends_with(&says), "{error}");
            }
            assert_eq!(ours.ok(), chosen_by_skopeo(&transport, &parts), "{wanted} of {transport}");
        }
    }
}

#[test]
fn platforms_are_looked_for_in_every_index_that_may_have_them() {
    let images = MadeImages::new();
    let image = |platform: &str| images.image(platform, &[MadeLayer::file("of", platform)], json!({}));
    let amd64 = image("linux/amd64");
    let plain = |mut entry: Value| {
        entry.as_object_mut().expect("a set").remove("platform");
        entry
    };
    // Both say nothing of their platforms, and the first has others.
    let (others, right) = (images.index(&[image("linux/arm64")]), images.index(std::slice::from_ref(&amd64)));
    images.tag("multi", images.index(&[plain(others), plain(right)]));
    let open = |wanted: &str| {
        gantry::base::open(images.folder.path(), Some(&platform(wanted)), &gantry::layer::Silent)
    };
    let found = open("linux/amd64").expect("an image").manifest.expect("a manifest").0.digest;
    assert_eq!(found.to_string(), digest_of(&amd64));
    let error = open("linux/s390x").unwrap_err().to_string();
    assert!(error.ends_with("no image for linux/s390x; there are: linux/arm64"), "{error}");
    // More indexes than a choice takes.
    let images = MadeImages::new();
    let image = |platform: &str| images.image(platform, &[MadeLayer::file("of", platform)], json!({}));
    let others = plain(images.index(&[image("linux/arm64")]));
    let mut many = vec![others; 20];
    for _ in 0..2 {
        many = vec![plain(images.index(&many)); 20];
    }
    images.tag("multi", images.index(&many));
    let error =
        gantry::base::open(images.folder.path(), Some(&platform("linux/amd64")), &gantry::layer::Silent)
            .unwrap_err()
            .to_string();
    assert!(error.contains("expected at most 32 in which the platform has to be looked for"), "{error}");
}

#[test]
fn gzip_and_zstd_are_chosen_as_old_and_new_skopeos_choose() {
    let (registry, images) = (Registry::start(), MadeImages::new());
    let layer = tar(b"layer");
    let gzip = images.image("linux/amd64", &[MadeLayer::gzip(&layer)], json!({ "author": "gzip" }));
    let mut zstd = images.image("linux/amd64", &[MadeLayer::zstd(&layer)], json!({ "author": "zstd" }));
    zstd["annotations"] = json!({ "io.github.containers.compression.zstd": "true" });
    let digest = |descriptor: &Value| digest_of(descriptor).parse::<Digest>().unwrap();
    let (gzip_digest, zstd_digest) = (digest(&gzip), digest(&zstd));
    for (name, entries) in [("gzip-first", [&gzip, &zstd]), ("zstd-first", [&zstd, &gzip])] {
        images.push(&registry.host(), name, images.index(&entries.map(Value::clone)), &[]);
        let amd64 = platform("linux/amd64");
        for (preferred, expected) in [(Preferred::Zstd, zstd_digest), (Preferred::Gzip, gzip_digest)] {
            let mut world = World::new();
            world.options.preferred = preferred;
            let resolved = world.client().resolve(&reference(&registry.host(), name), &amd64, &Silent);
            assert_eq!(resolved.unwrap().manifest.digest, expected, "{name}");
        }
        let transport = format!("docker://{}/team/app:{name}", registry.host());
        let theirs = chosen_by_skopeo(&transport, &amd64);
        // containers/image 5.25 looks at the annotation; older ones take the first.
        match (skopeo_version() >= [1, 12], name) {
            (true, _) => assert_eq!(theirs, Some(zstd_digest), "{name}"),
            (false, "gzip-first") => assert_eq!(theirs, Some(gzip_digest)),
            (false, _) => assert_ne!(theirs, Some(gzip_digest)),
        }
    }
}

/// Major and minor number.
fn skopeo_version() -> [u32; 2] {
    let said = run(Command::new("skopeo").arg("--version")).ok();
    let version = said.split_whitespace().nth(2).expect("skopeo version NUMBER");
    let mut numbers = version.split('.').map(|number| number.parse().expect("a number"));
    [numbers.next().expect("a major number"), numbers.next().expect("a minor number")]
}

/// The digest of the manifest that skopeo copies; nothing if it finds none.
fn chosen_by_skopeo(transport: &str, wanted: &Platform) -> Option<Digest> {
    let folder = Folder::new();
    let to = format!("dir:{}", folder.join("image").display());
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["--insecure-policy", "--override-os", &wanted.os, "--override-arch", &wanted.architecture]);
    skopeo.args(wanted.variant.iter().flat_map(|variant| ["--override-variant", variant]));
    let copied = run(skopeo.args(["copy", "-q", "--src-tls-verify=false", transport, &to]));
    let manifest = std::fs::read(folder.join("image/manifest.json"));
    (copied.code == Some(0)).then(|| Digest::of(&manifest.expect("a manifest")))
}

#[test]
fn passwords_are_found_where_skopeo_keeps_them() {
    let registry = Registry::with_password();
    let layout = Layout::new(&["linux/amd64"]);
    layout.push(&registry.host(), &["--dest-tls-verify=false", "--dest-creds=user:secret"]);
    let tagged = reference(&registry.host(), "multi");
    let error = World::new().client().resolve(&tagged, &platform("linux/amd64"), &Silent).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains("log in"), "{error}");
    // skopeo itself writes the file.
    let folder = Folder::new();
    let file = folder.join("auth.json").display().to_string();
    run(Command::new("skopeo")
        .args(["login", "--tls-verify=false", "-u", "user", "-p", "secret", "--authfile", &file])
        .arg(registry.host()))
    .ok();
    pull(&World::new().variable("REGISTRY_AUTH_FILE", &file), &layout, &tagged, "linux/amd64");
    let mut with_option = World::new();
    with_option.options.auth_file = Some(file.into());
    pull(&with_option, &layout, &tagged, "linux/amd64");
    // Nix's netrc, and one with the wrong password.
    let host = registry.host();
    let host = host.split(':').next().unwrap();
    for (password, right) in [("secret", true), ("wrong", false)] {
        let world = World::new();
        world.folder.write("root/etc/nix/netrc", format!("machine {host} login user password {password}\n"));
        match right {
            true => drop(pull(&world, &layout, &tagged, "linux/amd64")),
            false => {
                let error = world.client().manifest(&tagged, &Silent).unwrap_err().to_string();
                assert!(error.contains("are not accepted") && !error.contains("wrong"), "{error}");
            }
        }
    }
}

#[test]
fn tokens_are_fetched() {
    let tokens = Server::start(|asked| {
        match asked.path.contains("service=test&scope=repository%3Ateam%2Fapp%3Apull") {
            true => Reply::new(200).json(json!({ "token": "t0ken", "expires_in": 300 })),
            // skopeo, which pushes.
            false => Reply::new(200).json(json!({ "token": "other" })),
        }
    });
    let registry = Registry::with_tokens(&tokens.url("/token"));
    let layout = Layout::new(&["linux/amd64"]);
    layout.push(&registry.host(), &["--dest-tls-verify=false"]);
    let before = tokens.asked().len();
    pull(&World::new(), &layout, &reference(&registry.host(), "multi"), "linux/amd64");
    assert_eq!(tokens.asked().len(), before + 1);
}

#[test]
fn tls_of_an_own_authority() {
    let authority = Authority::new();
    let certificate = authority.certificate("IP:127.0.0.1", 2);
    let registry = Registry::with_tls(&certificate.chain, &certificate.key, None);
    let layout = Layout::new(&["linux/amd64"]);
    layout.push(&registry.host(), &["--dest-tls-verify=false"]);
    let tagged = reference(&registry.host(), "multi");
    let error = World::new().client().manifest(&tagged, &Silent).unwrap_err().to_string();
    assert!(error.contains("https://127.0.0.1") && error.contains("SSL_CERT_FILE"), "{error}");
    for variable in ["NIX_SSL_CERT_FILE", "SSL_CERT_FILE"] {
        let root = authority.root().display().to_string();
        pull(&World::new().variable(variable, root), &layout, &tagged, "linux/amd64");
    }
    let mut unverified = World::new();
    unverified.options.tls_verify = false;
    pull(&unverified, &layout, &tagged, "linux/amd64");
}

#[test]
fn certificates_of_clients() {
    let authority = Authority::new();
    let certificate = authority.certificate("IP:127.0.0.1", 2);
    let registry = Registry::with_tls(&certificate.chain, &certificate.key, Some(&authority.root()));
    let client = authority.certificate("DNS:client.test", 2);
    let world = World::new();
    let certs = format!("home/.config/containers/certs.d/{}", registry.host());
    let copy = |from: &Path, name: &str| {
        world.folder.write(&format!("{certs}/{name}"), std::fs::read(from).unwrap())
    };
    copy(&authority.root(), "ca.crt");
    let tagged = reference(&registry.host(), "multi");
    assert!(world.client().manifest(&tagged, &Silent).is_err());
    copy(&client.chain, "client.cert");
    let error = world.client().manifest(&tagged, &Silent).unwrap_err().to_string();
    assert!(error.contains("its key is missing"), "{error}");
    copy(&client.key, "client.key");
    let layout = Layout::new(&["linux/amd64"]);
    let folder = world.folder.join(&certs).display().to_string();
    layout.push(&registry.host(), &["--dest-cert-dir", &folder]);
    pull(&world, &layout, &tagged, "linux/amd64");
}

#[test]
fn what_is_not_there_is_said() {
    let registry = Registry::start();
    let error = World::new().client().manifest(&reference(&registry.host(), "none"), &Silent).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    let words = error.to_string();
    for part in [
        &format!("http://{}/v2/team/app/manifests/none", registry.host()),
        "404",
        "MANIFEST_UNKNOWN",
        "there is no such thing",
    ] {
        assert!(words.contains(part), "{words}");
    }
    let gone = registry.host();
    drop(registry);
    let error = World::new().client().manifest(&reference(&gone, "none"), &Silent).unwrap_err();
    assert_eq!(error.kind(), Kind::Environment);
    assert!(error.to_string().contains("refused"), "{error}");
}
