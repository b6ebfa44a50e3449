//! The check while evaluating: everything that the user of `builtins.ociImage` wrote.
//!
//! Nothing is built or read here, and nothing is kept: the derivation's own arguments are read again
//! by the builder, with the same functions ([`super::derivation`]). The evaluator writes the
//! arguments as JSON, and what JSON cannot say as a set with one key that starts with NUL:
//!
//! | Nix value | JSON |
//! |---|---|
//! | a string without context, and everything that JSON has | itself |
//! | a string with context, a derivation, a set with `outPath` | `{ "\u0000string": "text" }` |
//! | a path | `{ "\u0000path": "/abs" }` |
//! | a string that is not UTF-8 | `{ "\u0000bytes": "lossy text" }` |
//! | a function | `{ "\u0000function": true }` |
//! | a set that was not looked into (`meta`, `passthru`) | `{ "\u0000set": true }` |

use serde_json::{Map, Value};

use super::nearest::unknown;
use super::read::{At, Found, boolean, set};
use super::{
    ArgumentError, annotations, base, commands, compression, config, layering, layers, owner, permissions,
    platform, reference, sources, time, users,
};

/// Checks one argument; some depend on others.
type Rule = fn(At, &Value, &Map<String, Value>) -> Result<(), ArgumentError>;

/// All arguments, in the order in which they are checked.
const ARGUMENTS: [(&str, Rule); 42] = [
    ("name", |at, value, _| reference::name(at, value).map(drop)),
    ("tag", |at, value, _| reference::tag(at, value).map(drop)),
    ("contents", |at, value, _| sources::written(at, value)),
    ("copyToRoot", |at, value, _| sources::written(at, value)),
    ("keepContentsDirlinks", |at, value, _| boolean(at, value).map(drop)),
    ("layers", layers::written),
    ("fromImage", |at, value, _| base::written_image(at, value)),
    ("inheritConfig", |at, value, _| base::inherit(at, value).map(drop)),
    ("config", |at, value, _| config::config(at, value).map(drop)),
    ("architecture", |at, value, _| platform::architecture(at, value).map(drop)),
    ("os", |at, value, _| platform::os(at, value).map(drop)),
    ("variant", |at, value, _| platform::variant(at, value).map(drop)),
    ("created", |at, value, _| time::created(at, value).map(drop)),
    ("mtime", |at, value, _| time::mtime(at, value).map(drop)),
    ("uid", |at, value, _| owner::id(at, value).map(drop)),
    ("gid", |at, value, _| owner::id(at, value).map(drop)),
    ("uname", |at, value, _| owner::name(at, value).map(drop)),
    ("gname", |at, value, _| owner::name(at, value).map(drop)),
    ("directories", |at, value, _| permissions::directories(at, value).map(drop)),
    ("users", |at, value, _| users::users(at, value).map(drop)),
    ("perms", |at, value, _| permissions::written_perms(at, value)),
    ("extraCommands", |_, _, all| commands::script("extraCommands", all).map(drop)),
    ("fakeRootCommands", |_, _, all| commands::script("fakeRootCommands", all).map(drop)),
    ("enableFakechroot", |at, value, _| boolean(at, value).map(drop)),
    ("runAsRoot", |_, _, all| commands::run_as_root(all).map(drop)),
    ("shell", |at, value, _| commands::written_shell(at, value)),
    ("path", |at, value, _| sources::written(at, value)),
    ("includeStorePaths", |at, value, _| boolean(at, value).map(drop)),
    ("includeCopiedPaths", |at, value, _| boolean(at, value).map(drop)),
    ("includeNixDB", |at, value, _| boolean(at, value).map(drop)),
    ("maxLayers", |at, value, _| layering::max_layers(at, value).map(drop)),
    ("minLayerSize", |at, value, _| layering::min_layer_size(at, value).map(drop)),
    ("layering", |at, value, _| layering::written(at, value)),
    ("format", |at, value, _| compression::format(at, value).map(drop)),
    ("compression", |at, value, _| compression::codec(at, value).map(drop)),
    ("compressionLevel", |at, value, all| {
        compression::level_beside(at, value, all.get("compression")).map(drop)
    }),
    ("compressor", |at, value, all| compression::compressor_beside(at, value, all.get("format")).map(drop)),
    ("annotations", |at, value, _| annotations::annotations(at, value).map(drop)),
    ("manifests", base::written_manifests),
    ("system", |at, value, _| platform::system(at, value).map(drop)),
    ("meta", |at, value, _| any_set(at, value)),
    ("passthru", |at, value, _| any_set(at, value)),
];

/// Checks the arguments of `builtins.ociImage` as the evaluator writes them (see the table in this
/// module's source). Absent arguments have defaults and are not checked.
///
/// # Errors
///
/// The first problem: unknown attributes in the order of their names, then a missing `name`, then the
/// arguments in the order in which the documentation lists them.
pub fn check(arguments: &Value) -> Result<(), ArgumentError> {
    let arguments = set(At::Arguments, arguments, "a set of arguments")?;
    let names = || ARGUMENTS.iter().map(|(name, _)| *name);
    let mut unknowns: Vec<&String> =
        arguments.keys().filter(|key| !names().any(|name| name == *key)).collect();
    unknowns.sort();
    if let Some(key) = unknowns.first() {
        let message = unknown("argument", key, ARGUMENTS.map(|(name, _)| name));
        return Err(At::Arguments.key(key).error(message));
    }
    if !arguments.contains_key("name") {
        return Err(At::Arguments.key("name").error("required, but missing"));
    }
    for (name, rule) in ARGUMENTS {
        if let Some(value) = arguments.get(name) {
            rule(At::Arguments.key(name), value, arguments)?;
        }
    }
    Ok(())
}

/// `meta` and `passthru` are the user's own; the evaluator does not look into them.
pub(super) fn any_set(at: At, value: &Value) -> Result<(), ArgumentError> {
    match Found::of(value) {
        Found::Set(_) | Found::Unread => Ok(()),
        _ => Err(at.wrong(value, "a set")),
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
