//! `fromImage`: images on top of images from everywhere.
//!
//! What a base may be, and what is refused, numbered as in the list of bad inputs that the design rests on
//! (E: refused, with one error line that names the object, and nothing is left; OK: accepted). Names are those
//! of tests/support/bases.
//!
//! |  n | what                                        |    | where                                            |
//! |---:|---------------------------------------------|----|--------------------------------------------------|
//! |  1 | empty, 511 bytes, zeros                     | E  | `empty`, `511-bytes`, `zeros`, `text`            |
//! |  2 | compressed archives                         | OK | `good-archive.*`, `good-oci-archive.*`; E: `truncated-gzip`, `gzip-with-wrong-sum` |
//! |  3 | manifest.json missing, twice, a link, large | E  | `no-manifest`, `two-manifests`, `manifest-*`     |
//! |  4 | `./manifest.json`                           | OK | `good-dot-slash`                                 |
//! |  5 | several images                              | E  | `two-images`, `no-image`                         |
//! |  6 | layers that are not there                   | E  | `layer-*`; OK: `good-layer-link`, `good-old-save` |
//! |  7 | configurations that are none                | E  | `config-*`; OK: `good-config-of-*`               |
//! |  8 | sizes, checksums                            | E  | `size-*`, `checksum-wrong`; OK: `good-base-256-size` |
//! |  9 | PAX and GNU headers                         | E  | `pax-*`; OK: `good-pax-*`, `good-gnu-names`, `good-global-pax-comment` |
//! | 10 | two members of one name                     | E  | `two-members-of-a-name` (the bytes are not compared: no tool writes that) |
//! | 11 | sparse, multi-volume                        | E  | `sparse*`, `volume-of-several`                   |
//! | 12 | no end                                      | OK | `good-without-end`; E: `ends-in-*`               |
//! | 13 | more after the end                          | OK | `good-garbage-after-end`                         |
//! | 14 | diff IDs of other bytes                     | E  | `diff-id-of-*`, `layout-diff-id-*`: where bytes are read, so not by `inspect` |
//! | 15 | rootfs                                      | E  | `no-rootfs`, `no-diff-ids`, `rootfs-of-another-type`, `diff-ids-*`, `diff-id-no-digest` |
//! | 16 | history of other layers                     | OK | `good-history-of-others`, `good-without-history` |
//! | 17 | compressed layers in docker-archives        | OK | `good-compressed-layers`, `good-hybrid-gzip`; E: `xz-layer`, which OCI has no media type for |
//! | 18 | layouts                                     | E  | `layout-*`; OK: `good-layout*`, a blob that is a link (as in pullImage's layouts) |
//! | 19 | both kinds at once                          | OK | `good-hybrid*`; E: `hybrid-that-disagrees`       |
//! | 20 | another platform                            | E  | `architecture-of-*`, `os-of-*`, `no-architecture` |
//! | 21 | configurations of wrong types               | E  | `env-*`, `labels-*`, `user-*`; OK: `good-duplicate-variables`, `env-without-equals` |
//! | 22 | 127 layers                                  | E  | `127-layers`; OK: `good-126-layers`              |
//! | 23 | FIFO, device, directory                     | E  | `what_is_no_file_does_not_block`, `directory-of-nothing` |
//! | 24 | changed while it is read                    | E  | `layout-*-changed`; each byte is read once, from a file that stays open, and compared with a digest: there is no second reading to be different |
//! | 25 | foreign layers                              | E  | `foreign-layer*`                                 |
//! | 26 | whiteouts, devices, setuid                  | OK | `good-odd-members`                               |
//! | 27 | encrypted layers                            | E  | `encrypted-layer`                                |

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::{
    Folder, Image, MadeImages, MadeLayer, Nix, Ran, Registry, docker_less_run, gantry, look_at_others,
    output, packages, quoted, run, tar_of, unpack,
};

/// Images that Python made, all of them or those that are named.
struct Bases {
    folder: Folder,
    names: Vec<String>,
    layers: BTreeMap<String, String>,
}

impl Bases {
    fn new(names: &[&str]) -> Bases {
        let folder = Folder::new();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/bases");
        let folder_name = folder.path().to_str().expect("UTF-8");
        let made = support::json(&output(script, &[&[folder_name], names].concat()));
        let text = |value: &Value| value.as_str().expect("a text").to_string();
        Bases {
            names: made["names"].as_array().expect("names").iter().map(text).collect(),
            layers: made["layers"]
                .as_object()
                .expect("a set")
                .iter()
                .map(|(k, v)| (k.clone(), text(v)))
                .collect(),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn diff_ids(&self, layers: &[&str]) -> Vec<&str> {
        layers.iter().map(|layer| self.layers[*layer].as_str()).collect()
    }
}

/// The builder of an image with one file, `/own`, on top of a base, as Nix runs it but without Nix.
struct Builder {
    nix: Nix,
    attributes: Value,
}

impl Builder {
    fn new() -> Builder {
        let nix = Nix::new();
        let own = nix.folder().write("own/own", "own");
        let expression = format!(
            r#"builtins.ociImage {{
              name = "top"; tag = "1"; architecture = "amd64"; inheritConfig = "all"; maxLayers = 127;
              includeStorePaths = false;
              copyToRoot = builtins.path {{ path = {}; name = "own"; }};
              config = {{ Env = [ "OWN=1" "BASE=2" ]; Labels.own = "1"; }};
            }}"#,
            quoted(own.parent().expect("a folder"))
        );
        let mut attributes = nix.attributes(&expression);
        attributes["closure"] = json!([]);
        Builder { nix, attributes }
    }

    /// Builds on this base, with other arguments; the image is at `out`.
    fn on(&self, base: &Path, more: Value) -> Ran {
        let mut attributes = self.attributes.clone();
        let arguments = attributes["gantry"]["arguments"].as_object_mut().expect("a set");
        arguments.insert("fromImage".into(), json!(base));
        arguments.extend(more.as_object().expect("a set").clone());
        let folder = self.nix.folder();
        folder.write("attrs.json", attributes.to_string());
        run(Command::new("rm").args(["-rf"]).arg(self.out())).ok();
        let gantry = gantry();
        run(&mut self
            .nix
            .in_store(&format!("{} build --attrs attrs.json --out result/out", gantry.display())))
    }

    fn out(&self) -> PathBuf {
        let folder = self.nix.folder().join("result");
        std::fs::create_dir_all(&folder).expect("a folder");
        folder.join("out")
    }

    #[track_caller]
    fn built(&self, base: &Path, more: Value) -> Image {
        self.on(base, more).ok();
        look_at_others(&self.out())
    }

    /// The error, after which nothing is there.
    #[track_caller]
    fn error(&self, base: &Path, more: Value) -> Result<String, String> {
        let ran = self.on(base, more);
        let left = std::fs::read_dir(self.nix.folder().join("result")).expect("a folder").count();
        match (ran.code, left) {
            (Some(1), 0) => Ok(ran.stderr),
            (code, left) => Err(format!("ended with {code:?}, left {left} files; {}", ran.stderr)),
        }
    }
}

fn inspect(image: &Path) -> Ran {
    run(Command::new(gantry()).args(["inspect", "--json"]).arg(image))
}

/// One line that begins with `error: ` and contains this.
fn is_one_line(error: &str, wanted: &str) -> Result<(), String> {
    let lines: Vec<&str> = error.lines().collect();
    match &lines[..] {
        [line] if line.starts_with("error: ") && line.contains(wanted) => Ok(()),
        _ => Err(format!("wanted {wanted:?}, found {error}")),
    }
}

fn all_of(results: Vec<(String, Result<(), String>)>) {
    let failures: Vec<String> = results
        .into_iter()
        .filter_map(|(name, result)| result.err().map(|why| format!("{name}: {why}")))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_good_base_is_below_with_its_layers_configuration_and_history() {
    let (bases, builder) = (Bases::new(&[]), Builder::new());
    let good: Vec<&String> = bases.names.iter().filter(|name| name.starts_with("good-")).collect();
    assert!(good.len() > 30);
    let results = good.into_iter().map(|name| {
        let layers: Vec<&str> = match &name["good-".len()..] {
            "old-save" => vec!["ONE", "TWO", "ONE"],
            "odd-members" => vec!["ONE", "ODD"],
            "126-layers" => vec!["ONE"; 126],
            "no-layers" => vec![],
            _ => vec!["ONE", "TWO"],
        };
        let ran = builder.on(&bases.path(name), json!({}));
        if ran.code != Some(0) {
            return (name.clone(), Err(ran.stderr));
        }
        // Every digest and size was compared, and every layer with its diff ID and history entry.
        let image = look_at_others(&builder.out());
        let mut wrong = Vec::new();
        let mut same = |what: &str, found: Value, expected: Value| {
            if found != expected {
                wrong.push(format!("{what}: {found}, expected {expected}"));
            }
        };
        let below = image.layers.len() - 1;
        same("layers", json!(image.diff_ids()[..below]), json!(bases.diff_ids(&layers)));
        let own: Vec<&str> = image.layers[below].members.iter().map(|m| m.name.as_str()).collect();
        same("own layer", json!(own.contains(&"own")), json!(true));
        same("files without a name", json!(image.unnamed), json!([]));
        let (env, labels) = match &name["good-".len()..] {
            "nulls" => (json!(["OWN=1", "BASE=2"]), json!({ "own": "1" })),
            // Python's dockerTools: the place of the first, the value of the last.
            "duplicate-variables" => {
                (json!(["A=3", "B=2", "OWN=1", "BASE=2"]), json!({ "base": "1", "own": "1" }))
            }
            _ => (json!(["PATH=/base", "BASE=2", "OWN=1"]), json!({ "base": "1", "own": "1" })),
        };
        same("Env", image.config["config"]["Env"].clone(), env);
        same("Labels", image.config["config"]["Labels"].clone(), labels);
        (name.clone(), if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) })
    });
    all_of(results.collect());
}

#[test]
fn good_bases_are_inspected() {
    let bases = Bases::new(&[]);
    let results = bases.names.iter().filter(|name| name.starts_with("good-")).map(|name| {
        let ran = inspect(&bases.path(name));
        let result = match name.as_str() {
            // Which one is not said.
            "good-layout-of-platforms" => is_one_line(&ran.stderr, "3 images"),
            _ if ran.code == Some(0) => Ok(()),
            _ => Err(ran.stderr),
        };
        (name.clone(), result)
    });
    all_of(results.collect());
}

/// What is refused as soon as the documents are read, and why; `inspect` says the same.
const REFUSED: [(&str, &str); 88] = [
    ("empty", "empty is no tar"),
    ("511-bytes", "511-bytes is no tar"),
    ("zeros", "zeros is no tar"),
    ("text", "text is no tar; accepted: an OCI image layout"),
    ("truncated-gzip", "truncated-gzip: gzip: it ends early"),
    ("gzip-with-wrong-sum", "gzip-with-wrong-sum: gzip: wrong checksum"),
    ("no-manifest", "neither index.json nor manifest.json"),
    ("two-manifests", "a second member called \"manifest.json\""),
    ("manifest-links-outside", "neither index.json nor manifest.json"),
    ("manifest-links-to-itself", "manifest.json: a link that leads to itself"),
    ("manifest-links-to-nothing", "neither index.json nor manifest.json"),
    ("manifest-is-a-directory", "neither index.json nor manifest.json"),
    ("manifest-of-2-MiB", "manifest.json: more than 1048576 bytes"),
    ("manifest-is-no-json", "manifest.json: "),
    ("manifest-is-a-set", "manifest.json: it is {}, expected a list"),
    ("manifest-100000-deep", "manifest.json: "),
    ("no-image", "manifest.json: no image in it"),
    ("two-images", "manifest.json: 2 images (a:1, b:2), expected one"),
    ("layer-missing", "missing.tar: missing"),
    ("layer-above", "../../../etc/passwd: missing"),
    ("layer-absolute", "/etc/passwd: missing"),
    ("layer-links-outside", ".tar: missing"),
    ("layer-links-above", ".tar: missing"),
    ("layer-links-in-a-circle", "a link that leads to itself"),
    ("layer-links-in-a-chain", "a link that leads to itself"),
    ("config-missing", ".json: missing"),
    ("config-is-no-json", ".json: "),
    ("config-is-a-list", ".json: "),
    ("config-of-5-MiB", ".json: more than 4194304 bytes"),
    ("config-key-is-a-list", ".json: config is [\"x\"], expected an object"),
    ("size-negative", "at byte 0: the size is no number"),
    ("size-above-the-file", "a member of 1073741824 bytes leads past the end"),
    ("size-of-2-to-the-63", "a member of 9223372036854775808 bytes leads past the end"),
    ("size-of-2-to-the-64", "the size is no number"),
    ("size-just-below-2-to-the-64", "leads past the end"),
    ("size-is-no-number", "the size is no number"),
    ("checksum-wrong", "checksum-wrong is no tar"),
    ("pax-size-above-the-file", "a member of 9999999999 bytes leads past the end"),
    ("pax-size-above-2-to-the-64", "a PAX size that is no number"),
    ("pax-size-negative", "a PAX size that is no number"),
    ("pax-length-above-the-body", "a malformed PAX header"),
    ("pax-length-zero", "a malformed PAX header"),
    ("pax-length-one", "a malformed PAX header"),
    ("pax-without-newline", "a malformed PAX header"),
    ("pax-length-no-number", "a malformed PAX header"),
    ("pax-of-100-MiB", "an extended header of 104857600 bytes"),
    ("pax-global-size", "a global PAX header"),
    ("pax-global-path", "a global PAX header"),
    ("pax-nul-in-path", "at byte 0: a name with a NUL"),
    ("two-members-of-a-name", "a second member called"),
    ("sparse", "sparse"),
    ("sparse-by-pax", "a sparse member"),
    ("volume-of-several", "multi-volume"),
    ("ends-in-data", "leads past the end"),
    ("ends-in-a-header", "ends-in-a-header: at byte "),
    ("no-diff-ids", "rootfs.diff_ids is missing"),
    ("no-rootfs", "rootfs is missing"),
    ("rootfs-of-another-type", "\"directory\""),
    ("diff-ids-too-few", "1 diff_ids, but manifest.json has 2 layers"),
    ("diff-ids-too-many", "3 diff_ids, but manifest.json has 2 layers"),
    ("diff-id-no-digest", "\"sha256:../../x\" is not a digest"),
    ("xz-layer", "compressed in a way that OCI knows no media type for"),
    ("layout-without-oci-layout", "oci-layout: missing"),
    ("layout-of-version-2", "imageLayoutVersion \"2.0.0\", expected \"1.0.0\""),
    ("layout-without-index", "index.json: missing"),
    ("layout-with-an-empty-index", "index.json: no image in it"),
    ("layout-with-two-images", "index.json: "),
    ("layout-without-layer", ": missing"),
    ("layout-without-config", ": missing"),
    ("layout-layer-of-another-size", "10241 bytes, expected 10240"),
    ("layout-config-changed", "its bytes have the digest sha256:"),
    ("layout-config-of-same-size-changed", "its bytes have the digest sha256:"),
    ("layout-digest-above", "\"sha256:../../../etc/passwd\" is not a digest"),
    ("layout-digest-in-upper-case", "is not a digest"),
    ("layout-digest-md5", "is not a digest"),
    ("layout-nested-six-times", "indexes nested deeper than 4"),
    ("layout-of-another-platform", "linux/s390x"),
    ("layout-layer-is-a-directory", "not a regular file"),
    ("layout-of-an-artifact", "vnd.cncf.helm.config.v1+json"),
    ("directory-of-nothing", "oci-layout: missing"),
    ("hybrid-that-disagrees", "manifest.json: does not describe the image of index.json"),
    ("foreign-layer", "nondistributable"),
    ("encrypted-layer", "tar+encrypted"),
    ("env-of-numbers", ".json: config.Env[1] is 2, expected a string"),
    ("env-is-a-set", ".json: config.Env is {\"A\":\"1\"}, expected a list"),
    ("labels-are-a-list", ".json: config.Labels is [\"a\"], expected an object"),
    ("labels-of-numbers", ".json: config.Labels.a is 1, expected a string"),
    ("user-is-a-number", ".json: config.User is 1000, expected a string"),
];

/// What is refused by whoever reads the bytes, or knows what the image is to be.
const NOT_A_BASE: [(&str, &str); 11] = [
    ("foreign-layer-of-docker", "foreign"),
    ("diff-id-of-another-layer", "has the digest"),
    ("diff-id-of-a-gzip-layer-wrong", "but the image's configuration says sha256:"),
    ("layout-diff-id-of-a-gzip-layer-wrong", "but the image's configuration says sha256:"),
    ("layout-diff-id-wrong", "has the digest"),
    ("layout-layer-changed", "has the digest"),
    ("gzip-layer-broken", "gzip: it ends early"),
    (
        "architecture-of-another-machine",
        "fromImage is an image for linux/arm64, and this one is for linux/amd64",
    ),
    ("os-of-another-machine", "fromImage is an image for windows/amd64"),
    ("no-architecture", "fromImage is an image for linux/"),
    (
        "127-layers",
        "fromImage has 127 layers, and maxLayers is 127: at least 128 are needed; 127 is the most",
    ),
];

/// A docker-archive whose second layer has bytes of its own, and the first one's diff ID.
const BELOW: &str = "diff-id-of-the-layer-below";

/// A layout with a plain layer that is said to be gzip.
const MISLABELLED: &str = "layout-media-type-wrong";

#[test]
fn a_layer_under_the_diff_id_of_another_is_refused() {
    let (bases, builder) = (Bases::new(&[BELOW]), Builder::new());
    // Not the image with the first layer twice.
    let refused = builder.error(&bases.path(BELOW), json!({}));
    all_of(vec![(BELOW.into(), refused.and_then(|error| is_one_line(&error, "has the digest")))]);
}

#[test]
fn a_layer_of_another_encoding_than_its_media_type_is_refused_or_relabelled() {
    let (bases, builder) = (Bases::new(&[MISLABELLED]), Builder::new());
    match builder.error(&bases.path(MISLABELLED), json!({})) {
        Ok(error) => is_one_line(&error, "gzip").expect("an error"),
        // Python decompresses it as its media type says.
        Err(_) => {
            assert_eq!(look_at_others(&builder.out()).diff_ids()[..2], bases.diff_ids(&["ONE", "TWO"])[..])
        }
    }
}

#[test]
fn every_bad_base_is_refused_with_one_line_and_nothing_is_left() {
    let (bases, builder) = (Bases::new(&[]), Builder::new());
    let mut results = Vec::new();
    for (name, wanted) in REFUSED.iter().chain(&NOT_A_BASE) {
        let refused = builder.error(&bases.path(name), json!({}));
        results.push((name.to_string(), refused.and_then(|error| is_one_line(&error, wanted))));
    }
    all_of(results);
}

#[test]
fn inspect_says_the_same() {
    let bases = Bases::new(&[]);
    let refused = REFUSED.iter().map(|(name, wanted)| {
        let ran = inspect(&bases.path(name));
        let result = match (ran.code, *name) {
            // Which one is not asked for.
            (Some(1), "layout-of-another-platform") => is_one_line(&ran.stderr, "3 images"),
            (Some(1), _) => is_one_line(&ran.stderr, wanted),
            (code, _) => Err(format!("ended with {code:?}")),
        };
        (name.to_string(), result)
    });
    all_of(refused.collect());
}

#[test]
fn every_base_is_judged() {
    let known = |name: &str| {
        name.starts_with("good-")
            || REFUSED.iter().chain(&NOT_A_BASE).any(|(known, _)| *known == name)
            || ["env-without-equals", BELOW, MISLABELLED].contains(&name)
    };
    let unknown: Vec<String> = Bases::new(&[]).names.into_iter().filter(|name| !known(name)).collect();
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn what_is_not_inherited_is_left_out() {
    let (bases, builder) = (Bases::new(&["good-docker-archive"]), Builder::new());
    let mut own = json!({ "Env": ["OWN=1", "BASE=2"], "Labels": { "own": "1" } });
    for (keys, cmd) in [(json!([]), None), (json!(["Cmd"]), Some(json!(["base"])))] {
        if let Some(cmd) = cmd {
            own["Cmd"] = cmd;
        }
        let image = builder.built(&bases.path("good-docker-archive"), json!({ "inheritConfig": keys }));
        assert_eq!(image.config["config"], own);
    }
}

#[test]
fn a_variable_without_a_value_is_handed_on() {
    let (bases, builder) = (Bases::new(&["env-without-equals"]), Builder::new());
    let image = builder.built(&bases.path("env-without-equals"), json!({}));
    assert_eq!(image.config["config"]["Env"], json!(["PATH=/x", "JUSTANAME", "OWN=1", "BASE=2"]));
}

#[test]
fn what_is_no_file_does_not_block() {
    let builder = Builder::new();
    let fifo = builder.nix.folder().join("fifo");
    output("mkfifo", &[&fifo]);
    for path in [fifo.as_path(), Path::new("/dev/zero"), Path::new("/dev/null")] {
        let ran = run(Command::new("timeout").arg("10").arg(gantry()).arg("inspect").arg(path));
        is_one_line(&ran.stderr, &format!("{} is neither a directory nor a file", path.display()))
            .expect("an error");
        let error = builder.error(path, json!({})).expect("an error");
        is_one_line(&error, "neither a directory nor a file").expect("an error");
    }
    let missing = builder.error(Path::new("/nonexistent"), json!({})).expect("an error");
    is_one_line(&missing, "fromImage: /nonexistent: No such file").expect("an error");
    // In a layout, too.
    let bases = Bases::new(&["good-layout"]);
    let layout = bases.path("good-layout");
    std::fs::remove_file(layout.join("index.json")).expect("a file");
    output("mkfifo", &[layout.join("index.json")]);
    let ran = run(Command::new("timeout").arg("10").arg(gantry()).arg("inspect").arg(&layout));
    is_one_line(&ran.stderr, "index.json: not a regular file").expect("an error");
}

#[test]
fn compressed_layers_stay_as_they_are_whatever_goes_on_top() {
    let names = ["good-compressed-layers", "good-hybrid-gzip", "good-layout"];
    let (bases, builder) = (Bases::new(&names), Builder::new());
    for compression in ["none", "gzip", "zstd"] {
        for name in names {
            let more = json!({ "compression": compression, "compressionLevel": null });
            let image = builder.built(&bases.path(name), more);
            let kinds: Vec<&str> = image
                .layers
                .iter()
                .map(|layer| layer.media_type.rsplit('.').next().expect("a word"))
                .collect();
            let own = match compression {
                "none" => "tar",
                other => &format!("tar+{other}"),
            };
            let below = match name {
                "good-compressed-layers" => ["tar+gzip", "tar+zstd"],
                "good-hybrid-gzip" => ["tar+gzip", "tar+gzip"],
                _ => ["tar", "tar"],
            };
            assert_eq!(kinds, [below[0], below[1], own], "{name} {compression}");
            assert_eq!(image.diff_ids()[..2], bases.diff_ids(&["ONE", "TWO"])[..]);
            if name == "good-hybrid-gzip" {
                // What skopeo finds in the base.
                let raw = output(
                    "skopeo",
                    &["inspect", "--raw", &format!("oci-archive:{}", bases.path(name).display())],
                );
                let raw = support::json(&raw);
                for (layer, below) in image.layers.iter().zip(raw["layers"].as_array().expect("layers")) {
                    assert_eq!(layer.digest, below["digest"]);
                }
            }
        }
    }
}

#[test]
fn history_is_the_bases_and_one_entry_a_layer() {
    let (bases, builder) = (Bases::new(&["good-layout", "good-history-of-others"]), Builder::new());
    let image = builder.built(&bases.path("good-layout"), json!({}));
    let history = image.config["history"].as_array().expect("a list");
    let by: Vec<&Value> = history.iter().map(|entry| &entry["created_by"]).collect();
    assert_eq!(json!(by), json!(["ADD 0", "ENV BASE=1", "ADD 1", "gantry"]));
    assert_eq!(history[0]["created"], "2024-01-01T00:00:00Z");
    assert_eq!(history[1]["empty_layer"], true);
    let image = builder.built(&bases.path("good-history-of-others"), json!({}));
    assert_eq!(image.config["history"].as_array().expect("a list").len(), 3);
}

#[test]
fn every_key_is_inherited_as_the_rule_says() {
    let (images, builder) = (MadeImages::new(), Builder::new());
    let base = json!({ "config": {
        "Env": ["PATH=/base", "A=1", "BASE=1", "EMPTY="], "Cmd": ["cmd"], "Entrypoint": ["entry"], "User": "base",
        "WorkingDir": "/base", "Labels": { "base": "1", "own": "base" }, "ExposedPorts": { "1/tcp": {}, "2/udp": {} },
        "Volumes": { "/base": {} }, "StopSignal": "SIGINT", "Healthcheck": { "Test": ["NONE"] }, "Shell": ["/bin/sh"],
    }});
    images.tag("base", images.image("linux/amd64", &[MadeLayer::file("a", "a")], base.clone()));
    let all = builder.built(images.folder.path(), json!({ "inheritConfig": "all" }));
    let mut expected = base["config"].clone();
    expected["Env"] = json!(["PATH=/base", "A=1", "BASE=2", "EMPTY=", "OWN=1"]);
    expected["Labels"] = json!({ "base": "1", "own": "1" });
    assert_eq!(all.config["config"], expected);
    let own = json!({ "Env": ["OWN=1", "BASE=2"], "Labels": { "own": "1" } });
    let none = builder.built(images.folder.path(), json!({ "inheritConfig": [] }));
    assert_eq!(none.config["config"], own);
    let some = builder.built(images.folder.path(), json!({ "inheritConfig": ["User", "Volumes"] }));
    let mut expected = own;
    expected["User"] = json!("base");
    expected["Volumes"] = json!({ "/base": {} });
    assert_eq!(some.config["config"], expected);
}

#[test]
fn skopeo_reads_an_image_with_a_layer_twice() {
    let (bases, builder) = (Bases::new(&["good-old-save"]), Builder::new());
    let image = builder.built(&bases.path("good-old-save"), json!({}));
    assert_eq!(image.layers[0].digest, image.layers[2].digest);
    let to = builder.nix.folder().join("oci");
    for from in ["docker-archive", "oci-archive"] {
        run(Command::new("skopeo").args([
            "--insecure-policy",
            "copy",
            "-q",
            "--dest-oci-accept-uncompressed-layers",
            &format!("{from}:{}", builder.out().display()),
            &format!("oci:{}:{from}", to.display()),
        ]))
        .ok();
    }
    let root = unpack(&format!("{}:oci-archive", to.display()), &builder.nix.folder().join("unpacked"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).expect("a file");
    // The third layer is the first again, and so wins over the second.
    assert_eq!((read("etc/both"), read("etc/two"), read("own")), ("one".into(), "2".into(), "own".into()));
}

// --- With Nix.

/// An image `top:1` of `arguments` on a base, expressions' texts.
fn on(base: &str, arguments: &str) -> String {
    format!(
        "{} builtins.ociImage ({{ name = \"top\"; tag = \"1\"; architecture = \"amd64\"; fromImage = {base}; }} // {{ {arguments} }})",
        packages()
    )
}

fn file_as_base(path: &Path) -> String {
    format!("(builtins.path {{ path = {}; name = \"base\"; }})", quoted(path))
}

#[track_caller]
fn built(nix: &Nix, expression: &str) -> Image {
    look_at_others(&nix.built(expression))
}

const OWN: &str = "contents = [ (package \"own\" \"mkdir -p $out/opt; echo own > $out/opt/own\") ];";

#[test]
fn images_of_every_program_are_bases() {
    let (nix, registry, images) = (Nix::new(), Registry::start(), MadeImages::new());
    let layers = [MadeLayer::file("etc/one", "1"), MadeLayer::file("etc/two", "2")];
    let config = json!({ "config": { "Env": ["BASE=1"] } });
    let digest = images.push(&registry.host(), "base", images.image("linux/amd64", &layers, config), &[]);
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let digests: Vec<String> = layers.iter().map(MadeLayer::digest).collect();
    let folder = nix.folder();
    let path = |name: &str| folder.join(name).display().to_string();

    // skopeo: docker-archive and OCI archive.
    let source = format!("docker://{}/team/app:base", registry.host());
    let skopeo = |to: &str| {
        run(Command::new("skopeo").args([
            "--insecure-policy",
            "copy",
            "-q",
            "--src-tls-verify=false",
            &source,
            to,
        ]))
        .ok();
    };
    skopeo(&format!("docker-archive:{}:base:1", path("skopeo.tar")));
    skopeo(&format!("oci-archive:{}:1", path("oci.tar")));
    let sha = support::through("sha256sum", &std::fs::read(folder.join("skopeo.tar")).expect("a file"));
    let sha = String::from_utf8(sha).expect("UTF-8")[..64].to_string();
    // podman: both of its formats.
    let podman = |arguments: &[&str]| {
        let mut command = Command::new("podman");
        command.args([
            "--root",
            &path("podman"),
            "--runroot",
            &path("podman-run"),
            "--storage-driver",
            "vfs",
        ]);
        run(command.env("TMPDIR", folder.path()).args(arguments)).ok()
    };
    podman(&["load", "-q", "-i", &path("skopeo.tar")]);
    podman(&["save", "-q", "--format", "docker-archive", "-o", &path("podman.tar"), "base:1"]);
    podman(&["save", "-q", "--format", "oci-archive", "-o", &path("podman-oci.tar"), "base:1"]);
    podman(&["rmi", "-f", "base:1"]);
    // dockerTools compresses its tars (gzip, or pigz).
    folder.write(
        "docker-tools.tar.gz",
        support::through("gzip -9nc", &std::fs::read(folder.join("skopeo.tar")).expect("a file")),
    );
    folder.write(
        "image.tar.zst",
        support::through("zstd -qc", &std::fs::read(folder.join("oci.tar")).expect("a file")),
    );
    folder.write(
        "image.tar.xz",
        support::through("xz -c", &std::fs::read(folder.join("skopeo.tar")).expect("a file")),
    );

    let pull = |more: &str| {
        format!(
            "(builtins.pullImage {{ imageName = \"{}/team/app\"; imageDigest = \"{digest}\"; {more} }})",
            registry.host()
        )
    };
    let mut bases: Vec<(String, bool)> =
        ["skopeo.tar", "podman.tar", "podman-oci.tar", "docker-tools.tar.gz", "image.tar.xz"]
            .iter()
            .map(|name| (file_as_base(&folder.join(name)), false))
            .collect();
    bases.extend([
        (file_as_base(&folder.join("oci.tar")), true),
        (file_as_base(&folder.join("image.tar.zst")), true),
        (file_as_base(images.folder.path()), true),
        (pull("finalImageName = \"base\"; finalImageTag = \"1\";"), true),
        (pull(&format!("finalImageName = \"base\"; finalImageTag = \"1\"; sha256 = \"{sha}\";")), false),
    ]);
    for format in ["archive", "layout"] {
        let arguments = format!("name = \"middle\"; format = \"{format}\"; architecture = \"amd64\";");
        bases.push((format!("(builtins.ociImage {{ {arguments} fromImage = {}; }})", pull("")), true));
    }
    for (base, compressed) in bases {
        let image = built(&nix, &on(&base, OWN));
        assert_eq!(image.diff_ids()[..2], diff_ids[..], "{base}");
        if compressed {
            let found: Vec<&String> = image.layers.iter().take(2).map(|layer| &layer.digest).collect();
            assert_eq!(found, digests.iter().collect::<Vec<_>>(), "{base}");
        }
        assert_eq!(image.config["config"]["Env"], json!(["BASE=1"]), "{base}");
        let top = image.layers.last().expect("a layer");
        assert!(top.members.iter().any(|member| member.name == "opt/own"), "{base}");
    }
}

#[test]
fn max_layers_counts_the_bases() {
    let (nix, bases) = (Nix::new(), Bases::new(&["good-layout"]));
    let base = file_as_base(&bases.path("good-layout"));
    let image = |most: usize| on(&base, &format!("contents = [ debian.pkgs.zlib1g ]; maxLayers = {most};"));
    let error = run(nix.command("nix-build").args(["--no-out-link", "--expr", &image(2)])).err();
    assert!(error.contains("fromImage has 2 layers, and maxLayers is 2: at least 3 are needed"), "{error}");
    let three = built(&nix, &image(3));
    assert_eq!(three.layers.len(), 3);
    let last = three.layers.last().expect("a layer");
    assert!(last.paths.len() > 2);
    // Store and root in one.
    assert!(last.members.iter().any(|member| member.name.starts_with("usr/share/doc/zlib1g")));
    let four = built(&nix, &image(4));
    assert_eq!(four.layers.len(), 4);
    assert_eq!((four.layers[2].paths.len(), four.layers[3].paths.len()), (last.paths.len(), 0));
    let five = built(&nix, &image(5));
    assert_eq!(five.layers.len(), 5);
    assert_eq!(five.paths(), four.paths());
}

#[test]
fn store_paths_of_the_base_are_not_shipped_again() {
    let nix = Nix::new();
    for (format, compression, contents) in [("archive", "none", "all"), ("layout", "gzip", "pkgs.zlib1g")] {
        let base = format!(
            "(builtins.ociImage {{ name = \"base\"; architecture = \"amd64\"; contents = debian.{contents}; maxLayers = 8; format = \"{format}\"; compression = \"{compression}\"; config.Env = [ \"PATH=/usr/bin:/bin\" ]; }})"
        );
        let below = built(&nix, &format!("{} {base}", packages()));
        let package = r#"(package "own" "mkdir -p $out/opt; echo 'print(6 * 7)' > $out/opt/own.py")"#;
        let own = format!("contents = [ debian.pkgs.zlib1g {package} ]; format = \"layout\";");
        let expression = on(&base, &own);
        let image = built(&nix, &expression);
        assert_eq!(image.diff_ids()[..below.layers.len()], below.diff_ids()[..]);
        // In one layer each, and those of the base below.
        let own: Vec<&String> =
            image.layers[below.layers.len()..].iter().flat_map(|layer| &layer.paths).collect();
        assert_eq!(own.len(), 1, "{own:?}");
        assert!(own[0].ends_with("-own"));
        assert_eq!(image.paths().len(), below.paths().len() + 1);
        if contents == "all" {
            let layout = nix.built(&expression);
            let root = unpack(&format!("{}:1", layout.display()), &nix.folder().join("unpacked"));
            assert_eq!(docker_less_run(&root, &["/usr/bin/python3", "/opt/own.py"]).ok(), "42");
        }
    }
}

#[test]
fn the_base_must_be_for_the_same_machine() {
    let (nix, bases) = (Nix::new(), Bases::new(&["good-layout", "good-layout-of-platforms"]));
    let arm = on(&file_as_base(&bases.path("good-layout")), "architecture = \"arm64\";");
    let error = run(nix.command("nix-build").args(["--no-out-link", "--expr", &arm])).err();
    assert!(
        error.contains("fromImage is an image for linux/amd64, and this one is for linux/arm64"),
        "{error}"
    );
    let several = file_as_base(&bases.path("good-layout-of-platforms"));
    for architecture in ["amd64", "arm64"] {
        let image = built(&nix, &on(&several, &format!("architecture = \"{architecture}\";")));
        assert_eq!(image.config["architecture"], architecture);
        assert_eq!(image.layers.len(), 3);
    }
    let other = on(&several, "architecture = \"riscv64\";");
    let error = run(nix.command("nix-build").args(["--no-out-link", "--expr", &other])).err();
    assert!(
        error.contains("no image for linux/riscv64; there are: linux/arm64, linux/amd64, windows/amd64"),
        "{error}"
    );
}

#[test]
fn an_index_that_oci_image_made_is_a_base() {
    let nix = Nix::new();
    let of = |architecture: &str| {
        format!(
            "(builtins.ociImage {{ name = \"a\"; tag = \"1\"; architecture = \"{architecture}\"; config.Env = [ \"FOR={architecture}\" ]; }})"
        )
    };
    for format in ["archive", "layout"] {
        let index = format!(
            "(builtins.ociImage {{ name = \"multi\"; tag = \"1\"; format = \"{format}\"; manifests = [ {} {} ]; }})",
            of("arm64"),
            of("amd64")
        );
        let image = built(&nix, &on(&index, ""));
        assert_eq!(image.config["config"]["Env"], json!(["FOR=amd64"]), "{format}");
    }
}

/// A base as Debian's: `/bin` is a link to `usr/bin`, where a static busybox is `sh`.
fn debian_like() -> MadeLayer {
    let folder = Folder::new();
    let busybox = support::debian_packages().with_file_name("busybox").join("bin/busybox");
    for directory in ["usr/bin", "etc", "tmp"] {
        std::fs::create_dir_all(folder.join("root").join(directory)).expect("a directory");
    }
    std::fs::copy(busybox, folder.join("root/usr/bin/busybox")).expect("a copy");
    for (target, link) in [("busybox", "usr/bin/sh"), ("busybox", "usr/bin/cat"), ("usr/bin", "bin")] {
        std::os::unix::fs::symlink(target, folder.join("root").join(link)).expect("a link");
    }
    folder.write("root/etc/os-release", "ID=test\n");
    MadeLayer::gzip(&tar_of(&folder.join("root"), &["."]))
}

#[test]
fn an_image_on_a_base_from_a_registry_runs() {
    let (nix, registry, images) = (Nix::new(), Registry::start(), MadeImages::new());
    let config = json!({ "config": { "Env": ["PATH=/usr/bin"], "Cmd": ["sh"] } });
    let layer = debian_like();
    let digest = images.push(
        &registry.host(),
        "base",
        images.image("linux/amd64", std::slice::from_ref(&layer), config),
        &[],
    );
    let base = format!(
        "(builtins.pullImage {{ imageName = \"{}/team/app\"; imageDigest = \"{digest}\"; }})",
        registry.host()
    );
    let own = r##"format = "layout"; inheritConfig = "all"; config.Labels.a = "b"; contents = [ (package "own" "mkdir -p $out/opt; { echo '#!/bin/sh'; echo '. /etc/os-release; echo hello from $ID'; } > $out/opt/hello; chmod +x $out/opt/hello") ];"##;
    let expression = on(&base, own);
    let image = built(&nix, &expression);
    assert_eq!(image.layers[0].digest, layer.digest());
    assert_eq!(
        image.config["config"],
        json!({ "Env": ["PATH=/usr/bin"], "Cmd": ["sh"], "Labels": { "a": "b" } })
    );
    let root = unpack(&format!("{}:1", nix.built(&expression).display()), &nix.folder().join("unpacked"));
    assert_eq!(docker_less_run(&root, &["/opt/hello"]).ok(), "hello from test");
}

#[test]
fn directories_that_are_links_in_the_base_stay_links() {
    let (nix, registry, images) = (Nix::new(), Registry::start(), MadeImages::new());
    let image = images.image("linux/amd64", &[debian_like()], json!({}));
    let digest = images.push(&registry.host(), "base", image, &[]);
    let base = format!(
        "(builtins.pullImage {{ imageName = \"{}/team/app\"; imageDigest = \"{digest}\"; }})",
        registry.host()
    );
    let script = "mkdir -p $out/bin $out/usr/bin; for p in bin/one usr/bin/two; do { echo '#!/bin/sh'; echo 'echo it runs'; } > $out/$p; chmod +x $out/$p; done";
    let own = format!(
        "format = \"layout\"; contents = [ (package \"own\" \"{script}\") ]; \
         shell = \"${{busybox}}/bin/sh\"; extraCommands = \"echo made > bin/three\";"
    );
    let expression = on(&base, &own);
    let root = unpack(&format!("{}:1", nix.built(&expression).display()), &nix.folder().join("unpacked"));
    assert_eq!(std::fs::read_link(root.join("bin")).expect("a link"), Path::new("usr/bin"));
    for command in ["/bin/one", "/usr/bin/one", "/bin/two"] {
        assert_eq!(docker_less_run(&root, &[command]).ok(), "it runs", "{command}");
    }
    assert_eq!(std::fs::read_to_string(root.join("usr/bin/three")).expect("a file"), "made\n");
}
