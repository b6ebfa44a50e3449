//! Configuration, manifest, index, layout and Docker's manifest.json are what the specifications say
//! they are: by the JSON schemas of the OCI image-spec, field by field, byte for byte.

mod support;

use serde_json::{Value, json};
use support::{Image, MadeImages, MadeLayer, Nix, look, packages, testimony};

fn image(arguments: &str) -> String {
    let app = format!("builtins.ociImage ({{ name = \"app\"; tag = \"1\"; }} // {{ {arguments} }})");
    format!("{} {app}", packages())
}

/// Every key that a configuration may have: those of the image-spec (config.md) and Docker's.
const FULL_CONFIG: &str = r#"config = {
    User = "1000:1000";
    ExposedPorts = { "80/tcp" = { }; "53/udp" = { }; "8080" = { }; };
    Env = [ "PATH=/bin" "EMPTY=" "UNICODE=ü\n\"\\ " ];
    Entrypoint = [ "/bin/app" "--flag" ];
    Cmd = [ "a" "" "ü" ];
    Volumes = { "/data" = { }; };
    WorkingDir = "/work";
    Labels = { "org.example.a" = "1"; b = ""; };
    StopSignal = "SIGTERM";
    Healthcheck = { Test = [ "CMD" "/bin/check" ]; Interval = 30000000000; Timeout = 1000000000; StartPeriod = 0; Retries = 3; };
    Shell = [ "/bin/sh" "-c" ];
    OnBuild = [ "RUN true" ];
};"#;

/// Images as different as arguments make them.
fn images() -> Vec<(&'static str, String)> {
    let contents = "contents = [ debian.pkgs.zlib1g ];";
    vec![
        ("empty", String::new()),
        ("usual", contents.to_string()),
        ("in one layer", format!("{contents} maxLayers = 1;")),
        ("every key", format!("{contents} {FULL_CONFIG}")),
        ("gzip", format!("{contents} compression = \"gzip\"; compressionLevel = 1;")),
        ("zstd", format!("{contents} compression = \"zstd\"; annotations = {{ \"org.opencontainers.image.title\" = \"ü\"; }};")),
        (
            "another platform",
            "architecture = \"arm\"; variant = \"v7\"; created = \"2020-02-29T23:59:59+01:00\"; annotations.x = \"y\";"
                .to_string(),
        ),
        ("Windows", "os = \"windows\"; architecture = \"amd64\";".to_string()),
    ]
}

#[track_caller]
fn built(nix: &Nix, arguments: &str) -> Image {
    look(&nix.built(&image(arguments)))
}

#[test]
fn all_documents_are_valid_by_the_schemas_of_the_image_spec() {
    let nix = Nix::new();
    for (kind, arguments) in images() {
        for format in ["archive", "layout"] {
            let path = nix.built(&image(&format!("{arguments} format = \"{format}\";")));
            assert_eq!(testimony(&path), Ok(()), "{kind}");
        }
    }
}

#[test]
fn the_second_witness_refuses_documents_that_are_not_valid() {
    let of = |more: Value| {
        let made = MadeImages::new();
        made.tag("x", made.image("linux/amd64", &[MadeLayer::file("a", "a")], more));
        testimony(made.folder.path())
    };
    assert_eq!(of(json!({})), Ok(()));
    for (more, says) in [
        (json!({ "history": null }), "config-schema.json: history: None is not of type 'array'"),
        (json!({ "config": { "Env": "x" } }), "config-schema.json: config/Env: 'x' is not of type 'array'"),
        (json!({ "created": "yesterday" }), "config-schema.json: created: 'yesterday' is not a 'date-time'"),
        // The schemas know nothing of Docker's keys, and skopeo reads all that Go reads.
        (json!({ "config": { "env": "x" } }), "skopeo does not read it"),
    ] {
        let found = of(more).expect_err(says);
        assert!(found.contains(says), "{found}");
    }
    let made = MadeImages::new();
    let mut descriptor = made.image("linux/amd64", &[MadeLayer::file("a", "a")], json!({}));
    descriptor["size"] = json!(1);
    made.tag("x", descriptor);
    assert!(testimony(made.folder.path()).expect_err("a size").contains("is not what its descriptor says"));
}

#[test]
fn every_digest_and_size_is_that_of_the_bytes_and_no_file_is_left_over() {
    let nix = Nix::new();
    for (kind, arguments) in images() {
        for format in ["archive", "layout"] {
            // `look` compares each descriptor with its blob, and each diff ID with the decompressed layer.
            let image = built(&nix, &format!("{arguments} format = \"{format}\";"));
            assert_eq!(image.unnamed, Vec::<String>::new(), "{kind}, {format}");
            assert_eq!(image.config["rootfs"]["type"], "layers", "{kind}");
            assert_eq!(image.config["history"].as_array().map(Vec::len), Some(image.layers.len()), "{kind}");
        }
    }
}

#[test]
fn media_types_and_versions_are_those_of_the_specification() {
    let nix = Nix::new();
    for (compression, layer) in [("none", "tar"), ("gzip", "tar+gzip"), ("zstd", "tar+zstd")] {
        let arguments = format!("contents = [ debian.pkgs.zlib1g ]; compression = \"{compression}\";");
        let image = built(&nix, &arguments);
        // image-spec, media-types.md.
        let media = |name: &str| format!("application/vnd.oci.image.{name}");
        assert_eq!(image.oci_layout, json!({ "imageLayoutVersion": "1.0.0" }));
        assert_eq!((&image.index["schemaVersion"], &image.manifest["schemaVersion"]), (&json!(2), &json!(2)));
        assert_eq!(image.index["mediaType"], media("index.v1+json"));
        assert_eq!(image.index["manifests"][0]["mediaType"], media("manifest.v1+json"));
        assert_eq!(image.manifest["mediaType"], media("manifest.v1+json"));
        assert_eq!(image.manifest["config"]["mediaType"], media("config.v1+json"));
        for found in &image.layers {
            assert_eq!(found.media_type, media(&format!("layer.v1.{layer}")));
        }
    }
}

#[test]
fn the_configuration_holds_what_was_given_and_nothing_else() {
    let nix = Nix::new();
    let image = built(&nix, FULL_CONFIG);
    let expected = json!({
        "User": "1000:1000",
        "ExposedPorts": { "80/tcp": {}, "53/udp": {}, "8080": {} },
        "Env": ["PATH=/bin", "EMPTY=", "UNICODE=ü\n\"\\ "],
        "Entrypoint": ["/bin/app", "--flag"],
        "Cmd": ["a", "", "ü"],
        "Volumes": { "/data": {} },
        "WorkingDir": "/work",
        "Labels": { "org.example.a": "1", "b": "" },
        "StopSignal": "SIGTERM",
        "Healthcheck": {
            "Test": ["CMD", "/bin/check"],
            "Interval": 30_000_000_000_u64, "Timeout": 1_000_000_000, "StartPeriod": 0, "Retries": 3
        },
        "Shell": ["/bin/sh", "-c"],
        "OnBuild": ["RUN true"]
    });
    assert_eq!(image.config["config"], expected);
    let keys: Vec<&String> = image.config.as_object().expect("an object").keys().collect();
    // image-spec, config.md, "Properties".
    let known = [
        "created",
        "author",
        "architecture",
        "os",
        "os.version",
        "os.features",
        "variant",
        "config",
        "rootfs",
        "history",
    ];
    assert!(keys.iter().all(|key| known.contains(&key.as_str())), "{keys:?}");
    assert_eq!(built(&nix, "").config["config"], json!({}));
}

#[test]
fn dockers_manifest_names_the_files_of_the_archive() {
    let nix = Nix::new();
    for (kind, arguments) in images() {
        let image = built(&nix, &arguments);
        let docker = image.docker.as_ref().and_then(Value::as_array).expect("manifest.json");
        // moby, image/spec/v1.2.md, "Combined Image JSON": one element an image.
        assert_eq!(docker.len(), 1, "{kind}");
        let blob = |digest: &str| json!(format!("blobs/sha256/{}", digest.trim_start_matches("sha256:")));
        let config = image.manifest["config"]["digest"].as_str().expect("a digest");
        let layers: Vec<Value> = image.layers.iter().map(|layer| blob(&layer.digest)).collect();
        assert_eq!(
            docker[0],
            json!({ "Config": blob(config), "RepoTags": ["app:1"], "Layers": layers }),
            "{kind}"
        );
    }
}

#[test]
fn a_layout_by_itself_has_no_docker_manifest() {
    let nix = Nix::new();
    assert_eq!(built(&nix, "format = \"layout\";").docker, None);
}
