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
    LayeringSource, Owner, Platform, RootSpec, Timestamp, annotations, base, commands, compression, config,
    layering, layers, owner, permissions, platform, reference, sources, time, users,
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
    "includeCopiedPaths",
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
    "copyToRoot",
    "perms",
    "ignore",
    "maxLayers",
    "history",
    "directoryLinks",
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
const DATABASE: &[&str] = &["paths", "through", "fromImage", "architecture", "os", "variant", "mtime"];

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
            include_copied_paths: attributes.read_or("includeCopiedPaths", true, boolean)?,
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
    /// Reads `paths`, which is required, and `copyToRoot perms ignore maxLayers history directoryLinks below
    /// fromImage architecture os variant mtime uid gid uname gname compression compressionLevel`.
    ///
    /// # Errors
    ///
    /// The first attribute that is unknown, then the first that is missing or wrong.
    pub fn from_json(value: &Value) -> Result<LayerSpec, ArgumentError> {
        let attributes = Attributes::of(value, LAYER)?;
        Ok(LayerSpec {
            paths: attributes.read("paths", sources::absolute_list)?,
            copy_to_root: attributes.read_or("copyToRoot", Vec::new(), sources::carried)?,
            perms: attributes.read_or("perms", Vec::new(), permissions::perms)?,
            ignore: attributes.read_or("ignore", Vec::new(), sources::absolute_list)?,
            max_layers: attributes.read_or("maxLayers", 1, layering::max_layers)?,
            history: attributes.read_or("history", Default::default(), layers::history)?,
            directory_links: attributes.read_or("directoryLinks", None, sources::absolute_or_null)?,
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
    /// Reads `paths`, `through`, `fromImage`, with `architecture os variant`, and `mtime`, all of them optional.
    ///
    /// # Errors
    ///
    /// The first attribute that is unknown, then the first that is wrong.
    pub fn from_json(value: &Value) -> Result<DatabaseSpec, ArgumentError> {
        let attributes = Attributes::of(value, DATABASE)?;
        Ok(DatabaseSpec {
            paths: match attributes.0.contains_key("paths") {
                true => Some(attributes.read("paths", sources::absolute_list)?),
                false => None,
            },
            through: attributes.read_or("through", Vec::new(), sources::absolute_list)?,
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
            layering: attributes.read_or(
                "layering",
                LayeringSource::Given(Layering::Size),
                layering::layering,
            )?,
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
#[path = "derivation_tests.rs"]
mod tests;
