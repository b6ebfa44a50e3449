use serde_json::json;

use super::*;

const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// What Docker 20 writes, with its `null`s and its own keys.
fn docker() -> Value {
    let process = json!({
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false,
        "AttachStderr": false, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": ["PATH=/bin"],
        "Cmd": ["sh"], "Image": "sha256:x", "Volumes": null, "WorkingDir": "", "Entrypoint": null,
        "OnBuild": null, "Labels": null, "ExposedPorts": { "80/tcp": {} }, "Shell": ["sh"], "StopTimeout": 3,
        "Healthcheck": { "Test": ["NONE"], "Interval": 5 },
    });
    json!({
        "architecture": "amd64", "os": "linux", "config": process, "container": "x", "container_config": process,
        "created": "2021-03-05T23:25:25.230064203Z", "docker_version": "20.10.7",
        "history": [
            { "created": "0001-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop) ADD" },
            { "created": "2021-03-05T23:25:25+01:00", "empty_layer": true },
        ],
        "rootfs": { "type": "layers", "diff_ids": [DIGEST] }, "moby.buildkit.buildinfo.v1": "e30=",
    })
}

fn error_of(value: &Value) -> String {
    config(value.to_string().as_bytes()).expect_err(&value.to_string())
}

#[test]
fn what_docker_writes_is_read_and_kept() {
    let bytes = docker().to_string();
    let read = config(bytes.as_bytes()).unwrap();
    assert_eq!((read.os.as_str(), read.history.len()), ("linux", 2));
    assert_eq!(valid_config(bytes.as_bytes()), Ok(None));
}

#[test]
fn every_wrong_value_is_named_with_its_key() {
    for (pointer, wrong, says) in [
        ("/config/User", json!(1e308), "config.User is 1e+308, expected a string"),
        (
            "/config/ExposedPorts/80~1tcp",
            json!([]),
            "config.ExposedPorts.\"80/tcp\" is [], expected an object",
        ),
        ("/config/WorkingDir", json!(false), "config.WorkingDir is false, expected a string"),
        ("/config/Cmd", json!(5), "config.Cmd is 5, expected a list"),
        ("/config/Env/0", json!({}), "config.Env[0] is {}, expected a string"),
        (
            "/config/Healthcheck/Interval",
            json!("5s"),
            "config.Healthcheck.Interval is \"5s\", expected an integer",
        ),
        ("/container_config/Tty", json!("no"), "container_config.Tty is \"no\", expected true or false"),
        ("/created", json!("arm64"), "created is \"arm64\", expected a time"),
        ("/created", json!(""), "created is \"\", expected a time"),
        ("/created", json!("2021-03-05t23:25:25z"), "expected a time"),
        ("/history/1/created", json!("2021-03-05T23:59:60Z"), "history[1].created is"),
        ("/history/0", json!("x"), "history[0] is \"x\", expected an object"),
        (
            "/rootfs/diff_ids/0",
            json!("sha256:0"),
            "rootfs.diff_ids[0] is wrong: \"sha256:0\" is not a digest",
        ),
        ("/rootfs/type", json!("directory"), "rootfs.type is \"directory\", expected \"layers\""),
        ("/rootfs", Value::Null, "rootfs is null, expected a value"),
        ("/os", json!({ "a": 1 }), "os is {\"a\":1}, expected a string"),
    ] {
        let mut document = docker();
        *document.pointer_mut(pointer).expect(pointer) = wrong;
        let error = error_of(&document);
        assert!(error.contains(says), "{pointer}: {error}");
    }
}

#[test]
fn keys_in_another_case_are_read_as_go_reads_them() {
    let mut document = docker();
    document["config"]["entryPoint"] = json!("x");
    assert!(error_of(&document).contains("config has both \"entryPoint\" and \"Entrypoint\""));
    document["config"].as_object_mut().unwrap().remove("Entrypoint");
    assert!(error_of(&document).contains("config.Entrypoint is \"x\", expected a list"));
    document["config"]["entryPoint"] = json!(["x"]);
    let bytes = document.to_string();
    assert_eq!(config(bytes.as_bytes()).unwrap().config["Entrypoint"], json!(["x"]));
    assert_eq!(valid_config(bytes.as_bytes()), Ok(None));
}

#[test]
fn a_key_that_is_there_twice_is_refused_at_any_depth() {
    let bytes = docker().to_string().replacen(r#""Cmd""#, r#""Cmd":null,"Cmd""#, 1);
    assert!(config(bytes.as_bytes()).unwrap_err().contains("\"Cmd\" is there twice"));
}

#[test]
fn nulls_that_the_schemas_refuse_are_not_written() {
    let document = json!({
        "created": null, "os": null, "config": { "User": null, "Cmd": null, "Env": ["A=1", null],
        "Labels": { "a": null }, "ExposedPorts": { "80": null } }, "history": null,
        "rootfs": { "type": "layers", "diff_ids": null }, "x": null,
    });
    let expected = json!({
        "os": "", "architecture": "", "config": { "Cmd": null, "Env": ["A=1", ""], "Labels": { "a": "" },
        "ExposedPorts": { "80": {} } }, "rootfs": { "type": "layers", "diff_ids": [] }, "x": null,
    });
    let bytes = document.to_string();
    let written = valid_config(bytes.as_bytes()).unwrap().expect("other bytes");
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), expected);
    assert_eq!(config(bytes.as_bytes()), config(&written));
    assert_eq!(valid_config(&written), Ok(None));
    assert_eq!(valid_config(b"{\"author\":\"\xff\"}"), Err("rootfs is missing".to_owned()));
}

fn manifest(layer: Value) -> Value {
    let mut descriptor = json!({ "mediaType": media::LAYER, "digest": DIGEST, "size": 3 });
    descriptor.as_object_mut().unwrap().extend(layer.as_object().unwrap().clone());
    json!({
        "schemaVersion": 2, "mediaType": media::MANIFEST,
        "config": { "mediaType": media::CONFIG, "digest": DIGEST, "size": 3 }, "layers": [descriptor],
    })
}

#[test]
fn descriptors_have_the_types_of_the_specification() {
    for (layer, says) in [
        (json!({ "urls": "x" }), "layers[0].urls is \"x\", expected a list"),
        (json!({ "urls": [5] }), "layers[0].urls[0] is 5, expected a URI"),
        (json!({ "urls": ["no uri"] }), "layers[0].urls[0] is \"no uri\", expected a URI"),
        (json!({ "annotations": { "a": 1 } }), "layers[0].annotations.a is 1, expected a string"),
        (json!({ "mediaType": "x" }), "layers[0].mediaType is \"x\", expected a media type"),
        (json!({ "size": -1 }), "layers[0].size is -1, expected a size"),
        (json!({ "size": i64::MAX }), "the sizes of its blobs add up to 9223372036854775810 bytes"),
        (json!({ "platform": 5 }), "layers[0].platform is 5, expected an object"),
    ] {
        let error = document(manifest(layer).to_string().as_bytes(), None).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    let right = json!({ "urls": ["https://host.test/x?y#z"], "annotations": { "a": "b" }, "x": [{}] });
    let bytes = manifest(right).to_string();
    assert!(document(bytes.as_bytes(), None).is_ok());
    assert_eq!(valid_manifest(bytes.as_bytes(), None), Ok(None));
    let nulls = manifest(json!({ "urls": null, "annotations": null })).to_string();
    let written = valid_manifest(nulls.as_bytes(), Some((DIGEST, 7))).unwrap().expect("other bytes");
    let mut expected = manifest(json!({}));
    expected["config"]["size"] = json!(7);
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), expected);
}

#[test]
fn an_index_json_is_no_manifest() {
    let entry = json!({ "mediaType": media::MANIFEST, "digest": DIGEST, "size": 3 });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });
    assert_eq!(index_json(index.to_string().as_bytes()).unwrap().manifests.len(), 1);
    let error = index_json(manifest(json!({})).to_string().as_bytes()).unwrap_err();
    assert!(error.contains("expected \"application/vnd.oci.image.index.v1+json\""), "{error}");
    let mut both = index;
    both["layers"] = json!([]);
    let error = index_json(both.to_string().as_bytes()).unwrap_err();
    assert!(error.contains("\"layers\" in it: readers would differ"), "{error}");
}
