//! Bases whose documents are wrong in every way that one value can be wrong: each key of configuration and manifest
//! with a value of each type. What Gantry makes on them, of them or beside them is an image that skopeo reads and
//! image-spec's schemas accept, or one line that names the document and the key; and what skopeo reads is a base.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use serde_json::{Value, json};
use support::{MadeImages, MadeLayer, Ran, Store, run, tar_of, testimony};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Values of every type, and some that are right somewhere.
fn values() -> Vec<Value> {
    let number: Value = serde_json::from_str("1e308").expect("a number");
    vec![
        json!(null),
        json!(false),
        json!(-1),
        number,
        json!("arm64"),
        json!(["x", null]),
        json!([5]),
        json!({ "a": [] }),
        json!({ "a": {}, "b": null }),
        json!({ "a": "b" }),
    ]
}

/// Every key of a configuration, as a JSON pointer; of those at the end, image-spec says nothing.
const CONFIG: [&str; 27] = [
    "/created",
    "/author",
    "/architecture",
    "/variant",
    "/os",
    "/os.version",
    "/os.features",
    "/config",
    "/config/User",
    "/config/ExposedPorts",
    "/config/Env",
    "/config/Entrypoint",
    "/config/Cmd",
    "/config/Volumes",
    "/config/WorkingDir",
    "/config/Labels",
    "/config/StopSignal",
    "/config/ArgsEscaped",
    "/rootfs",
    "/rootfs/type",
    "/history",
    "/history/0",
    "/history/0/created",
    "/history/0/empty_layer",
    "/config/Healthcheck",
    "/config/OnBuild",
    "/container_config",
];

/// What `skopeo inspect` does not look at, though a copy needs it: Docker's own keys, and the list of layers.
const UNSEEN_IN_CONFIG: [&str; 5] =
    ["/config/Healthcheck", "/config/OnBuild", "/container_config", "/rootfs", "/rootfs/type"];

/// The same of a manifest: version, types, digests, sizes and addresses.
const UNSEEN_IN_MANIFEST: [&str; 9] = [
    "/schemaVersion",
    "/mediaType",
    "/config/size",
    "/layers",
    "/layers/0",
    "/layers/0/mediaType",
    "/layers/0/digest",
    "/layers/0/urls",
    "/manifests",
];

/// Every key of a manifest.
const DOCUMENT: [&str; 14] = [
    "/schemaVersion",
    "/mediaType",
    "/config",
    "/config/mediaType",
    "/config/size",
    "/config/annotations",
    "/layers",
    "/layers/0",
    "/layers/0/mediaType",
    "/layers/0/digest",
    "/layers/0/urls",
    "/layers/0/annotations",
    "/annotations",
    "/manifests",
];

/// A layout of one image.
struct Base {
    images: MadeImages,
    made: MadeLayer,
    layer: Value,
    config: Value,
}

impl Base {
    fn new() -> Base {
        let (images, made) = (MadeImages::new(), MadeLayer::file("etc/a", "a"));
        let layer = images.blob(&made.media_type, &made.bytes);
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {}, "history": [{}],
            "rootfs": { "type": "layers", "diff_ids": [made.diff_id] },
        });
        Base { images, made, layer, config }
    }

    /// Writes `index.json` for a manifest; a `config` is written and put into it.
    fn finish(&self, config: Option<&Value>, change: impl FnOnce(&mut Value)) -> &Path {
        let config = config.unwrap_or(&self.config).to_string();
        let config = self.images.blob("application/vnd.oci.image.config.v1+json", config.as_bytes());
        let mut manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [self.layer] });
        change(&mut manifest);
        let entry = self.images.blob(MANIFEST, manifest.to_string().as_bytes());
        let index = json!({ "schemaVersion": 2, "manifests": [entry] });
        self.images.folder.write("index.json", index.to_string());
        self.images.folder.path()
    }

    /// The image as a docker-archive.
    fn docker_archive(&self, config: &Value) -> PathBuf {
        let folder = &self.images.folder;
        let manifest = json!([{ "Config": "config.json", "RepoTags": ["base:1"], "Layers": ["layer.tar"] }]);
        folder.write("config.json", config.to_string());
        folder.write("manifest.json", manifest.to_string());
        folder.write("layer.tar", &self.made.bytes);
        folder.write("docker", tar_of(folder.path(), &["config.json", "layer.tar", "manifest.json"]))
    }
}

/// Puts `value` at `pointer`, whose last key may be new.
fn put(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    match document.pointer_mut(parent).expect("a parent") {
        Value::Array(list) => list[key.parse::<usize>().expect("an index")] = value,
        object => object[key] = value,
    }
}

fn skopeo_reads(image: &Path) -> bool {
    let transport = if image.is_dir() { "oci" } else { "docker-archive" };
    run(Command::new("skopeo").arg("inspect").arg(format!("{transport}:{}", image.display()))).code == Some(0)
}

/// Makes an image on `base`, an archive and an index of it.
struct Maker {
    store: Store,
    root: PathBuf,
}

impl Maker {
    fn new() -> Maker {
        let store = Store::new();
        let root = store.empty_root();
        Maker { store, root }
    }

    fn make(&self, base: &Path) -> [(&'static str, Ran, PathBuf); 3] {
        let arguments = json!({ "fromImage": base, "inheritConfig": "all" });
        let image = self.store.image("layout", &self.root, &[], arguments);
        let index = json!({ "name": "all", "tag": "1", "manifests": [base] });
        let index = json!({ "gantry": { "kind": "index", "arguments": index, "format": "layout" } });
        let out = |name: &str| {
            let out = self.store.folder().join(name);
            let _ = fs::remove_dir_all(&out);
            let _ = fs::remove_file(&out);
            out
        };
        let (on, of, merged) = (out("on"), out("of"), out("merged"));
        let mut merge = self.store.command();
        merge.arg("merge").arg(base).arg("--output").arg(&merged);
        // Not `run`, which panics where the witness refuses an image.
        let quietly = |mut command: Command| {
            let output = command.output().expect("gantry");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
        };
        [
            ("build", quietly(self.store.build(&image, &on)), on),
            ("index", quietly(self.store.build(&index, &of)), of),
            ("merge", quietly(merge), merged),
        ]
    }
}

/// What is wrong with what Gantry makes of the image at `base`; the commands that succeeded.
fn judge(maker: &Maker, base: &Path, named: &str) -> (Vec<String>, BTreeSet<&'static str>) {
    let (mut wrong, mut made) = (Vec::new(), BTreeSet::new());
    for (command, ran, out) in maker.make(base) {
        let lines: Vec<&str> = ran.stderr.lines().collect();
        match (ran.code, &lines[..]) {
            (Some(0), _) => {
                made.insert(command);
                wrong.extend(testimony(&out).err().map(|error| format!("{command}: {error}")));
            }
            // Another platform: nothing is wrong with the base.
            (Some(1), [line]) if line.starts_with("error: fromImage is an image for ") => {
                made.insert(command);
            }
            (Some(1), [line]) if line.starts_with("error: ") && line.contains(named) => {
                if out.exists() {
                    wrong.push(format!("{command}: {} is left", out.display()));
                }
            }
            _ => wrong.push(format!("{command}: {:?}: {}", ran.code, ran.stderr)),
        }
    }
    (wrong, made)
}

/// Judges every mutation, on all cores.
fn all_of(
    mutations: &[(&str, Value)],
    base_of: impl Fn(&Base, &str, &Value) -> PathBuf + Sync,
    unseen: &[&str],
) {
    let next = Mutex::new(mutations.iter());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let (base, maker) = (Base::new(), Maker::new());
                loop {
                    let Some((pointer, value)) = next.lock().expect("an iterator").next() else { return };
                    let image = base_of(&base, pointer, value);
                    let (mut wrong, made) = judge(&maker, &image, &image.display().to_string());
                    if made.len() < 3 && !unseen.contains(pointer) && skopeo_reads(&image) {
                        wrong.push(format!("skopeo reads it, and only {made:?} succeeded"));
                    }
                    let mut failures = failures.lock().expect("a list");
                    failures.extend(wrong.iter().map(|wrong| format!("{pointer} = {value}: {wrong}")));
                }
            });
        }
    });
    let failures = failures.into_inner().expect("a list");
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), mutations.len(), failures.join("\n"));
}

fn mutations(pointers: &[&'static str]) -> Vec<(&'static str, Value)> {
    pointers.iter().flat_map(|pointer| values().into_iter().map(move |value| (*pointer, value))).collect()
}

#[test]
fn configurations_with_one_wrong_value_make_valid_images_or_none() {
    let base_of = |base: &Base, pointer: &str, value: &Value| {
        let mut config = base.config.clone();
        put(&mut config, pointer, value.clone());
        base.finish(Some(&config), |_| {}).to_path_buf()
    };
    all_of(&mutations(&CONFIG), base_of, &UNSEEN_IN_CONFIG);
}

#[test]
fn manifests_with_one_wrong_value_make_valid_images_or_none() {
    let base_of = |base: &Base, pointer: &str, value: &Value| {
        base.finish(None, |manifest| put(manifest, pointer, value.clone())).to_path_buf()
    };
    all_of(&mutations(&DOCUMENT), base_of, &UNSEEN_IN_MANIFEST);
}

#[test]
fn docker_archives_with_one_wrong_value_make_valid_images_or_none() {
    let base_of = |base: &Base, pointer: &str, value: &Value| {
        let mut config = base.config.clone();
        put(&mut config, pointer, value.clone());
        base.docker_archive(&config)
    };
    let mut mutations = mutations(&CONFIG);
    mutations.retain(|(_, value)| value.is_null() || value.is_number() || *value == json!(["x", null]));
    all_of(&mutations, base_of, &UNSEEN_IN_CONFIG);
}

#[test]
fn a_manifest_that_is_an_index_as_well_is_refused_with_its_name() {
    let (base, maker) = (Base::new(), Maker::new());
    let path = base.finish(None, |manifest| manifest["manifests"] = json!([])).to_path_buf();
    for (command, ran, _) in maker.make(&path) {
        let error = ran.err();
        assert!(
            error.contains("blobs/sha256/") && error.contains("readers would differ"),
            "{command}: {error}"
        );
    }
}
