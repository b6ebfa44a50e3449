//! The arguments as a derivation carries them: what the builder reads from its structured attributes.
//!
//! Plain JSON, with the defaults of an evaluation that left an argument out. Each value goes through
//! the function that checked it while evaluating, so a derivation made without that check (plain Nix,
//! no plugin) is refused in the same words.

use serde_json::{Map, Value};

use super::nearest::unknown;
use super::read::{At, boolean, set};
use super::{
    ArgumentError, Base, Compression, DatabaseSpec, ImageSpec, IndexSpec, Inherit, LayerSpec, Layering,
    Owner, Platform, RootSpec, Timestamp, annotations, base, commands, compression, config, layering, layers,
    owner, permissions, platform, reference, sources, time, users,
};

/// `1970-01-01T00:00:01Z`, as in nixpkgs: 0 means "unknown" to some readers.
const DEFAULT_TIME: Timestamp = Timestamp::At(1);

/// nixpkgs' `maxLayers`.
pub(super) const DEFAULT_MAX_LAYERS: usize = 100;

/// What the derivation of a root layer carries.
const ROOT: &[&str] = &[
    "contents",
    "copyToRoot",
    "keepContentsDirlinks",
    "directories",
    "users",
    "perms",
    "extraCommands",
    "fakeRootCommands",
    "enableFakechroot",
    "runAsRoot",
    "shell",
    "path",
    "includeNixDB",
    "fromImage",
    "directoryLinks",
    "architecture",
    "os",
    "variant",
    "config",
    "mtime",
    "uid",
    "gid",
    "uname",
    "gname",
];

/// What the derivation of an explicit layer carries.
const LAYER: &[&str] = &[
    "paths",
    "below",
    "fromImage",
    "architecture",
    "os",
    "variant",
    "mtime",
    "uid",
    "gid",
    "uname",
    "gname",
    "compression",
    "compressionLevel",
];

/// What is said of an image below.
const BASE: &[&str] = &["fromImage", "architecture", "os", "variant"];

/// What the derivation of a Nix database carries.
const DATABASE: &[&str] = &["fromImage", "architecture", "os", "variant", "mtime"];

/// What the derivation of an image carries.
const IMAGE: &[&str] = &[
    "name",
    "tag",
    "architecture",
    "os",
    "variant",
    "created",
    "mtime",
    "uid",
    "gid",
    "uname",
    "gname",
    "includeStorePaths",
    "layers",
    "maxLayers",
    "minLayerSize",
    "layering",
    "compression",
    "compressionLevel",
    "annotations",
    "fromImage",
    "inheritConfig",
];

/// What the derivation of an index carries.
const INDEX: &[&str] = &["name", "tag", "manifests", "annotations"];

/// The arguments that one image says of itself, so that an index of images cannot say them again.
pub(super) fn of_one_image() -> impl Iterator<Item = &'static str> {
    ROOT.iter().chain(IMAGE).copied().filter(|argument| !INDEX.contains(argument))
}

impl RootSpec {
    /// Reads what concerns the root layer, by the names of the arguments, all of them optional.
    ///
    /// # Errors
    ///
    /// The first attribute that is unknown, then the first that is wrong.
    pub fn from_json(value: &Value) -> Result<RootSpec, ArgumentError> {
        let attributes = Attributes::of(value, ROOT)?;
        Ok(RootSpec {
            contents: attributes.read_or("contents", Vec::new(), sources::carried)?,
            copy_to_root: attributes.read_or("copyToRoot", Vec::new(), sources::carried)?,
            keep_contents_dirlinks: attributes.read_or("keepContentsDirlinks", true, boolean)?,
            directories: attributes.read_or("directories", Vec::new(), permissions::directories)?,
            users: attributes.read_or("users", Vec::new(), users::users)?,
            perms: attributes.read_or("perms", Vec::new(), permissions::perms)?,
            commands: commands::carried(attributes.0)?,
            include_nix_db: attributes.read_or("includeNixDB", false, boolean)?,
            from_image: attributes.base()?,
            directory_links: attributes.read_or("directoryLinks", None, sources::absolute_or_null)?,
            config: attributes.read_or("config", Map::new(), config::config)?,
            mtime: attributes.read_or("mtime", DEFAULT_TIME, time::mtime)?,
            owner: attributes.owner()?,
        })
    }
}

impl LayerSpec {
    /// Reads `paths`, which is required, and `below fromImage architecture os variant mtime uid gid uname
    /// gname compression compressionLevel`.
    ///
    /// # Errors
    ///
    /// The first attribute that is unknown, then the first that is missing or wrong.
    pub fn from_json(value: &Value) -> Result<LayerSpec, ArgumentError> {
        let attributes = Attributes::of(value, LAYER)?;
        Ok(LayerSpec {
            paths: attributes.read("paths", sources::absolute_list)?,
            below: attributes.read_or("below", Vec::new(), sources::absolute_list)?,
            from_image: attributes.base()?,
            mtime: attributes.read_or("mtime", DEFAULT_TIME, time::mtime)?,
            owner: attributes.owner()?,
            compression: attributes.compression()?,
        })
    }
}

impl Base {
    /// Reads `fromImage` and `architecture os variant`, all of them optional.
    ///
    /// # Errors
    ///
    /// The first attribute that is unknown, then the first that is wrong.
    pub fn from_json(value: &Value) -> Result<Option<Base>, ArgumentError> {
        Attributes::of(value, BASE)?.base()
    }
}

impl DatabaseSpec {
    /// Reads `fromImage`, with `architecture os variant`, and `mtime`, all of them optional.
    ///
    /// # Errors
    ///
    /// The first attribute that is unknown, then the first that is wrong.
    pub fn from_json(value: &Value) -> Result<DatabaseSpec, ArgumentError> {
        let attributes = Attributes::of(value, DATABASE)?;
        Ok(DatabaseSpec {
            from_image: attributes.base()?,
            mtime: attributes.read_or("mtime", DEFAULT_TIME, time::mtime)?,
        })
    }
}

impl ImageSpec {
    /// Reads `name tag architecture`, which are required, and what else concerns the image as a whole, by
    /// the names of the arguments; `layers` are what their derivations made.
    ///
    /// # Errors
    ///
    /// The first attribute that is unknown, then the first that is missing or wrong.
    pub fn from_json(value: &Value) -> Result<ImageSpec, ArgumentError> {
        let attributes = Attributes::of(value, IMAGE)?;
        Ok(ImageSpec {
            name: attributes.read("name", reference::name)?,
            tag: attributes.read("tag", reference::given_tag)?,
            platform: attributes.platform()?,
            created: attributes.read_or("created", DEFAULT_TIME, time::created)?,
            mtime: attributes.read_or("mtime", DEFAULT_TIME, time::mtime)?,
            owner: attributes.owner()?,
            include_store_paths: attributes.read_or("includeStorePaths", true, boolean)?,
            layers: layers::carried(attributes.0)?,
            max_layers: attributes.read_or("maxLayers", DEFAULT_MAX_LAYERS, layering::max_layers)?,
            min_layer_size: attributes.read_or("minLayerSize", 0, layering::min_layer_size)?,
            layering: attributes.read_or("layering", Layering::Size, layering::layering)?,
            compression: attributes.compression()?,
            annotations: attributes.read_or("annotations", Default::default(), annotations::annotations)?,
            from_image: attributes.read_or("fromImage", None, sources::absolute_or_null)?,
            inherit_config: attributes.read_or("inheritConfig", Inherit::default(), base::inherit)?,
        })
    }
}

impl IndexSpec {
    /// Reads `name tag manifests`, which are required, and `annotations`.
    ///
    /// # Errors
    ///
    /// The first attribute that is unknown, then the first that is missing or wrong.
    pub fn from_json(value: &Value) -> Result<IndexSpec, ArgumentError> {
        let attributes = Attributes::of(value, INDEX)?;
        Ok(IndexSpec {
            name: attributes.read("name", reference::name)?,
            tag: attributes.read("tag", reference::given_tag)?,
            images: attributes.read("manifests", sources::absolute_list)?,
            annotations: attributes.read_or("annotations", Default::default(), annotations::annotations)?,
        })
    }
}

/// The attributes of a derivation that concern us.
struct Attributes<'v>(&'v Map<String, Value>);

impl<'v> Attributes<'v> {
    fn of(value: &'v Value, known: &[&str]) -> Result<Attributes<'v>, ArgumentError> {
        let attributes = set(At::Arguments, value, "a set of arguments")?;
        match attributes.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(At::Arguments.key(key).error(unknown("argument", key, known.iter().copied()))),
            None => Ok(Attributes(attributes)),
        }
    }

    fn read<T>(
        &self,
        key: &str,
        reader: fn(At, &Value) -> Result<T, ArgumentError>,
    ) -> Result<T, ArgumentError> {
        let at = At::Arguments.key(key);
        match self.0.get(key) {
            Some(value) => reader(at, value),
            None => Err(at.error("required, but missing")),
        }
    }

    fn read_or<T>(
        &self,
        key: &str,
        default: T,
        reader: fn(At, &Value) -> Result<T, ArgumentError>,
    ) -> Result<T, ArgumentError> {
        match self.0.get(key) {
            Some(value) => reader(At::Arguments.key(key), value),
            None => Ok(default),
        }
    }

    fn owner(&self) -> Result<Owner, ArgumentError> {
        Ok(Owner {
            uid: self.read_or("uid", 0, owner::id)?,
            gid: self.read_or("gid", 0, owner::id)?,
            uname: self.read_or("uname", "root".to_owned(), owner::name)?,
            gname: self.read_or("gname", "root".to_owned(), owner::name)?,
        })
    }

    fn platform(&self) -> Result<Platform, ArgumentError> {
        Ok(Platform {
            architecture: self.read("architecture", platform::architecture)?,
            os: self.read_or("os", "linux".to_owned(), platform::os)?,
            variant: self.read_or("variant", None, platform::variant)?,
        })
    }

    /// `fromImage`, for the platform that is named beside it.
    fn base(&self) -> Result<Option<Base>, ArgumentError> {
        let Some(path) = self.read_or("fromImage", None, sources::absolute_or_null)? else { return Ok(None) };
        let platform = self.0.contains_key("architecture").then(|| self.platform()).transpose()?;
        Ok(Some(Base { path, platform }))
    }

    fn compression(&self) -> Result<Compression, ArgumentError> {
        let level = self.0.get("compressionLevel").unwrap_or(&Value::Null);
        compression::level_beside(At::Arguments.key("compressionLevel"), level, self.0.get("compression"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::spec::{Commands, DirectoryRule, Operation, PartialOwner, PermissionRule, Source, check};

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
                platform: Platform {
                    architecture: "arm64".to_owned(),
                    os: "linux".to_owned(),
                    variant: None
                },
                created: Timestamp::At(1),
                mtime: Timestamp::At(1),
                owner: root_owner(),
                include_store_paths: true,
                layers: vec![],
                max_layers: 100,
                min_layer_size: 0,
                layering: Layering::Size,
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
            "includeNixDB": true, "fromImage": "/nix/store/i",
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
                    path: "/*".to_owned(),
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
                layering: Layering::Pipeline(vec![Operation::Flatten]),
                compression: Compression::Zstd(9),
                annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
                from_image: Some("/nix/store/b".into()),
                inherit_config: Inherit::All,
            })
        );
        let layer = json!({
            "paths": ["/nix/store/a"], "below": ["/nix/store/0"], "fromImage": "/nix/store/b", "mtime": 7,
            "uid": 1, "gid": 2, "uname": "u", "gname": "g", "compression": "gzip", "compressionLevel": 9
        });
        assert_eq!(
            LayerSpec::from_json(&layer),
            Ok(LayerSpec {
                paths: vec!["/nix/store/a".into()],
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
        let platform =
            Platform { architecture: "arm".into(), os: "linux".into(), variant: Some("v7".into()) };
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
            ImageSpec::from_json(&tagless)
                .unwrap_err()
                .to_string()
                .starts_with("tag: found null, accepted: ")
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
}
