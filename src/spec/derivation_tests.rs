//! What the builder reads from a derivation, and refuses.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::spec::{
    Commands, DirectoryRule, Files, LayerHistory, Operation, PartialOwner, PermissionRule, Source, check,
};

fn root_owner() -> Owner {
    Owner { uid: 0, gid: 0, uname: "root".to_owned(), gname: "root".to_owned() }
}

#[test]
fn what_is_left_out_has_the_designs_defaults() {
    assert_eq!(
        RootSpec::from_json(&json!({})),
        Ok(RootSpec {
            contents: vec![],
            copy_to_root: vec![],
            keep_contents_dirlinks: true,
            directories: vec![],
            users: vec![],
            perms: vec![],
            commands: None,
            include_copied_paths: true,
            include_nix_db: false,
            from_image: None,
            directory_links: None,
            config: Map::new(),
            mtime: Timestamp::At(1),
            owner: root_owner(),
        })
    );
    assert_eq!(
        ImageSpec::from_json(&json!({ "name": "Example.org/App", "tag": "t", "architecture": "arm64" })),
        Ok(ImageSpec {
            name: "example.org/app".to_owned(),
            tag: "t".to_owned(),
            platform: Platform { architecture: "arm64".to_owned(), os: "linux".to_owned(), variant: None },
            created: Timestamp::At(1),
            mtime: Timestamp::At(1),
            owner: root_owner(),
            include_store_paths: true,
            layers: vec![],
            max_layers: 100,
            min_layer_size: 0,
            layering: LayeringSource::Given(Layering::Size),
            compression: Compression::None,
            annotations: BTreeMap::new(),
            from_image: None,
            inherit_config: Inherit::Keys(vec!["Env".to_owned()]),
        })
    );
}

#[test]
fn everything_given_arrives() {
    let root = json!({
        "contents": [{ "path": "/nix/store/x", "priority": 5 }], "copyToRoot": [{ "path": "/nix/store/y" }],
        "config": { "Cmd": ["x"], "User": null }, "mtime": "now", "keepContentsDirlinks": false,
        "directories": { "/tmp": {} }, "users": { "a": { "uid": 1 } }, "perms": [{ "path": "/*", "gid": 1 }],
        "fakeRootCommands": "true", "shell": "/nix/store/b/bin/sh", "path": ["/nix/store/c"],
        "includeNixDB": true, "includeCopiedPaths": false, "fromImage": "/nix/store/i",
        "uid": 1, "gid": 2, "uname": "u", "gname": "g"
    });
    let owner = Owner { uid: 1, gid: 2, uname: "u".to_owned(), gname: "g".to_owned() };
    let source = |path: &str| Source { path: path.into(), priority: 5 };
    assert_eq!(
        RootSpec::from_json(&root),
        Ok(RootSpec {
            contents: vec![source("/nix/store/x")],
            copy_to_root: vec![source("/nix/store/y")],
            keep_contents_dirlinks: false,
            directories: vec![DirectoryRule {
                path: "/tmp".into(),
                mode: None,
                owner: PartialOwner::default(),
            }],
            users: users::users(At::Arguments, &root["users"]).unwrap(),
            perms: vec![PermissionRule {
                files: Files::Glob("/*".to_owned()),
                mode: None,
                owner: PartialOwner { gid: Some(1), ..PartialOwner::default() },
            }],
            commands: Some(Commands {
                extra: None,
                fake_root: Some("true".to_owned()),
                fakechroot: false,
                run_as_root: None,
                shell: "/nix/store/b/bin/sh".into(),
                path: vec!["/nix/store/c".into()],
            }),
            include_copied_paths: false,
            include_nix_db: true,
            from_image: Some(Base { path: "/nix/store/i".into(), platform: None }),
            directory_links: None,
            config: Map::from_iter([("Cmd".to_owned(), json!(["x"]))]),
            mtime: Timestamp::Now,
            owner: owner.clone(),
        })
    );
    let image = json!({
        "name": "app", "tag": "1", "architecture": "arm", "os": "linux", "variant": "v7", "created": "now",
        "mtime": 7, "uid": 1, "gid": 2, "uname": "u", "gname": "g",
        "layers": ["/nix/store/0", "/nix/store/1"], "maxLayers": 3, "minLayerSize": 4096, "layering": [["flatten"]], "compression": "zstd",
        "compressionLevel": 9, "annotations": { "a": "b" }, "fromImage": "/nix/store/b", "inheritConfig": "all"
    });
    assert_eq!(
        ImageSpec::from_json(&image),
        Ok(ImageSpec {
            name: "app".to_owned(),
            tag: "1".to_owned(),
            platform: Platform {
                architecture: "arm".to_owned(),
                os: "linux".to_owned(),
                variant: Some("v7".to_owned()),
            },
            created: Timestamp::Now,
            mtime: Timestamp::At(7),
            owner: owner.clone(),
            include_store_paths: true,
            layers: vec!["/nix/store/0".into(), "/nix/store/1".into()],
            max_layers: 3,
            min_layer_size: 4096,
            layering: LayeringSource::Given(Layering::Pipeline(vec![Operation::Flatten])),
            compression: Compression::Zstd(9),
            annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            from_image: Some("/nix/store/b".into()),
            inherit_config: Inherit::All,
        })
    );
    let layer = json!({
        "paths": ["/nix/store/a"], "below": ["/nix/store/0"], "fromImage": "/nix/store/b", "mtime": 7,
        "uid": 1, "gid": 2, "uname": "u", "gname": "g", "compression": "gzip", "compressionLevel": 9,
        "copyToRoot": [{ "path": "/nix/store/c" }], "ignore": ["/nix/store/d"], "maxLayers": 3,
        "perms": [{ "source": "/nix/store/c", "regex": "/bin", "mode": "700" }],
        "history": { "createdBy": "me", "author": "I" }, "directoryLinks": "/nix/store/l"
    });
    assert_eq!(
        LayerSpec::from_json(&layer),
        Ok(LayerSpec {
            paths: vec!["/nix/store/a".into()],
            copy_to_root: vec![Source { path: "/nix/store/c".into(), priority: 5 }],
            perms: vec![PermissionRule {
                files: Files::Source { source: "/nix/store/c".into(), regex: "/bin".to_owned() },
                mode: Some(0o700),
                owner: PartialOwner::default(),
            }],
            ignore: vec!["/nix/store/d".into()],
            max_layers: 3,
            history: LayerHistory {
                created_by: Some("me".to_owned()),
                author: Some("I".to_owned()),
                comment: None,
            },
            directory_links: Some("/nix/store/l".into()),
            below: vec!["/nix/store/0".into()],
            from_image: Some(Base { path: "/nix/store/b".into(), platform: None }),
            mtime: Timestamp::At(7),
            owner,
            compression: Compression::Gzip(9),
        })
    );
}

#[test]
fn a_base_is_read_for_the_platform_beside_it() {
    let arguments = json!({ "fromImage": "/nix/store/b", "architecture": "arm", "variant": "v7" });
    let platform = Platform { architecture: "arm".into(), os: "linux".into(), variant: Some("v7".into()) };
    let base = Base { path: "/nix/store/b".into(), platform: Some(platform) };
    assert_eq!(DatabaseSpec::from_json(&arguments).unwrap().from_image.as_ref(), Some(&base));
    assert_eq!(RootSpec::from_json(&arguments).unwrap().from_image.as_ref(), Some(&base));
    let wrong = json!({ "fromImage": "/nix/store/b", "architecture": "x86_64" });
    assert!(DatabaseSpec::from_json(&wrong).is_err());
}

#[test]
fn missing_and_unknown_arguments_are_refused() {
    for (value, message) in [
        (json!([]), "found a list, accepted: a set of arguments"),
        (json!({ "tag": "t", "architecture": "arm" }), "name: required, but missing"),
        (json!({ "name": "a", "architecture": "arm" }), "tag: required, but missing"),
        (json!({ "name": "a", "tag": "t" }), "architecture: required, but missing"),
        (json!({ "Name": "a" }), "Name: unknown argument, did you mean \"name\"?"),
    ] {
        assert_eq!(ImageSpec::from_json(&value).unwrap_err().to_string(), message);
    }
    let tagless = json!({ "name": "a", "tag": null, "architecture": "arm" });
    assert!(
        ImageSpec::from_json(&tagless).unwrap_err().to_string().starts_with("tag: found null, accepted: ")
    );
    assert_eq!(
        LayerSpec::from_json(&json!({ "below": [] })).unwrap_err().to_string(),
        "paths: required, but missing"
    );
    assert_eq!(
        RootSpec::from_json(&json!({ "contentz": [] })).unwrap_err().to_string(),
        "contentz: unknown argument, did you mean \"contents\"?"
    );
}

#[test]
fn builder_and_evaluator_say_the_same() {
    for (key, value) in [
        ("name", json!("a b")),
        ("tag", json!("-")),
        ("architecture", json!("x86_64")),
        ("os", json!("Linux")),
        ("variant", json!("")),
        ("created", json!("then")),
        ("mtime", json!(-1)),
        ("uid", json!(-1)),
        ("gid", json!("0")),
        ("uname", json!("a:b")),
        ("gname", json!(null)),
        ("includeStorePaths", json!(1)),
        ("maxLayers", json!(0)),
        ("minLayerSize", json!(-1)),
        ("layering", json!([["flaten"]])),
        ("compression", json!("xz")),
        ("compressionLevel", json!(1)),
        ("annotations", json!({ "": "" })),
    ] {
        let mut arguments = json!({ "name": "app", "tag": "t", "architecture": "arm" });
        arguments[key] = value;
        let builder = ImageSpec::from_json(&arguments).unwrap_err();
        assert_eq!(check(&arguments), Err(builder), "{key}");
    }
    for (key, value) in [
        ("config", json!({ "Cmd": "x" })),
        ("config", json!({ "User": "-1" })),
        ("config", json!(null)),
        ("keepContentsDirlinks", json!("yes")),
        ("directories", json!({ "/tmp": { "mode": 1777 } })),
        ("users", json!({ "a": { "uid": 1 }, "b": { "uid": 1 } })),
        ("perms", json!([{ "path": "/../*" }])),
        ("extraCommands", json!("touch x")),
        ("fakeRootCommands", json!(["chown"])),
        ("enableFakechroot", json!(null)),
        ("runAsRoot", json!("true")),
        ("includeNixDB", json!(0)),
    ] {
        let builder = RootSpec::from_json(&json!({ key: value })).unwrap_err();
        assert_eq!(check(&json!({ "name": "app", key: value })), Err(builder), "{key}");
    }
}
