//! `layering`, `maxLayers`, `minLayerSize`: how store paths are divided into layers.
//!
//! Besides the named strategies there are the pipelines of nixpkgs' flatten-references-graph, with
//! the operations and argument types of its `lib.py`, `split_paths.py` and `subcomponent.py`. What
//! would fail or silently do nothing there (a wrong arity, `split_every 0`, a path below a store
//! path) is an error here, at the element.

use std::path::Path;

use serde_json::Value;

use super::nearest::{nearest, unknown};
use super::read::{At, Found, integer, list, quote, set, text};
use super::sources::{absolute, written_item};
use super::{ArgumentError, Layering, LayeringSource, Operation, SplitPath};

/// The most layers that Docker's overlay2 driver mounts, one of them for the container itself.
const MOST_LAYERS: i64 = 127;

/// How deep `pipe`, `over` and `map` may nest; real pipelines stay below ten.
const DEEPEST: usize = 64;

const STRATEGIES: [&str; 3] = ["size", "popularity", "single"];

const OPERATIONS: [&str; 13] = [
    "pipe",
    "over",
    "map",
    "flatten",
    "reverse",
    "reorder",
    "subcomponent_out",
    "subcomponent_in",
    "split_paths",
    "split_every",
    "remove_paths",
    "popularity_contest",
    "limit_layers",
];

const STORE_PATH: &str = "a store path (/nix/store/HASH-NAME, nothing below it)";

/// The argument `maxLayers`.
pub(super) fn max_layers(at: At, value: &Value) -> Result<usize, ArgumentError> {
    let accepted = format!("an integer from 1 to {MOST_LAYERS}");
    let layers = integer(at, value, 1, MOST_LAYERS, &accepted)?;
    usize::try_from(layers).map_err(|_| at.wrong(value, &accepted))
}

/// The argument `minLayerSize`, in bytes.
pub(super) fn min_layer_size(at: At, value: &Value) -> Result<u64, ArgumentError> {
    let accepted = "an integer of bytes, 0 or more";
    let bytes = integer(at, value, 0, i64::MAX, accepted)?;
    u64::try_from(bytes).map_err(|_| at.wrong(value, accepted))
}

/// The argument `layering` as the user wrote it. What a file has in it is for the builder to see.
pub(super) fn written(at: At, value: &Value) -> Result<(), ArgumentError> {
    match Found::of(value) {
        Found::Text(text) if text.starts_with('/') => written_item(at, value),
        _ => layering(at, value).map(drop),
    }
}

/// The argument `layering`: a strategy's name, a pipeline, or a file of one.
pub(super) fn layering(at: At, value: &Value) -> Result<LayeringSource, ArgumentError> {
    let accepted = "\"size\", \"popularity\", \"single\", a pipeline such as [ [ \"popularity_contest\" ] ], \
                    or a JSON file of a pipeline (a path or a derivation)";
    if let Found::List(operations) = Found::of(value) {
        return match operations {
            [] => Err(at.error(format!("found an empty list, accepted: {accepted}"))),
            _ => pipeline(at, operations, 0).map(Layering::Pipeline).map(LayeringSource::Given),
        };
    }
    let name = text(at, value, accepted)?;
    let given = |layering| Ok(LayeringSource::Given(layering));
    match name {
        _ if name.starts_with('/') => absolute(at, value).map(LayeringSource::File),
        "size" => given(Layering::Size),
        "popularity" => given(Layering::Popularity),
        "single" => given(Layering::Single),
        _ => Err(match nearest(name, STRATEGIES) {
            Some(near) => at.error(format!("found {}, did you mean {near:?}?", quote(name))),
            None => at.wrong_text(name, accepted),
        }),
    }
}

impl Layering {
    /// The pipeline that `file`, whose bytes these are, is. Errors name the file and the place in it.
    pub fn from_file(file: &Path, bytes: &[u8]) -> Result<Layering, ArgumentError> {
        let at = At::Arguments.key("layering");
        let form = "a list of operations such as [[\"popularity_contest\"]]";
        let read = || {
            let value: Value = serde_json::from_slice(bytes)
                .map_err(|e| at.error(format!("not JSON ({e}), accepted: {form}")))?;
            match list(at, &value, form)? {
                [] => Err(at.error(format!("found an empty list, accepted: {form}"))),
                operations => pipeline(at, operations, 0).map(Layering::Pipeline),
            }
        };
        read().map_err(|e| e.in_file(file))
    }
}

fn pipeline(at: At, operations: &[Value], depth: usize) -> Result<Vec<Operation>, ArgumentError> {
    operations.iter().enumerate().map(|(i, value)| operation(at.index(i), value, depth)).collect()
}

fn operation(at: At, value: &Value, depth: usize) -> Result<Operation, ArgumentError> {
    if depth >= DEEPEST {
        return Err(at.error(format!("nested deeper than {DEEPEST} operations")));
    }
    let form = "an operation such as [ \"limit_layers\" 10 ]";
    let Some((name, arguments)) = list(at, value, form)?.split_first() else {
        return Err(at.error(format!("found an empty list, accepted: {form}")));
    };
    let name_at = at.index(0);
    let name = text(name_at, name, "the name of an operation")?;
    let argument = |i: usize| at.index(i + 1);
    let none = |form| exactly::<0>(at, arguments, form);
    let one = |form| exactly::<1>(at, arguments, form).map(|[only]| only);
    Ok(match name {
        "pipe" => {
            let operations =
                list(argument(0), one("[ \"pipe\" [ OPERATION ... ] ]")?, "a list of operations")?;
            Operation::Pipe(pipeline(argument(0), operations, depth + 1)?)
        }
        "over" => {
            let [key, inner] = exactly(at, arguments, "[ \"over\" KEY OPERATION ]")?;
            let key = text(argument(0), key, "a key such as \"main\" or \"rest\"")?.to_owned();
            Operation::Over(key, Box::new(operation(argument(1), inner, depth + 1)?))
        }
        "map" => Operation::Map(Box::new(operation(argument(0), one("[ \"map\" OPERATION ]")?, depth + 1)?)),
        "flatten" => none("[ \"flatten\" ]").map(|[]| Operation::Flatten)?,
        "reverse" => none("[ \"reverse\" ]").map(|[]| Operation::Reverse)?,
        "popularity_contest" => none("[ \"popularity_contest\" ]").map(|[]| Operation::PopularityContest)?,
        "reorder" => {
            let keys = one("[ \"reorder\" [ KEY ... ] ]")?;
            Operation::Reorder(each(argument(0), keys, "a list of keys", |at, key| {
                text(at, key, "a key such as \"main\" or \"rest\"").map(str::to_owned)
            })?)
        }
        "subcomponent_out" => {
            Operation::SubcomponentOut(paths(argument(0), one("[ \"subcomponent_out\" [ PATH ... ] ]")?)?)
        }
        "subcomponent_in" => {
            Operation::SubcomponentIn(paths(argument(0), one("[ \"subcomponent_in\" [ PATH ... ] ]")?)?)
        }
        "split_paths" => {
            let split = one("[ \"split_paths\" [ (PATH | { children_of = PATH; }) ... ] ]")?;
            let split = each(argument(0), split, "a list of paths and { children_of = PATH; }", split_path)?;
            Operation::SplitPaths(split.into_iter().flatten().collect())
        }
        "split_every" => Operation::SplitEvery(count(argument(0), one("[ \"split_every\" COUNT ]")?)?),
        "limit_layers" => Operation::LimitLayers(count(argument(0), one("[ \"limit_layers\" COUNT ]")?)?),
        "remove_paths" => Operation::RemovePaths(path_or_paths(
            argument(0),
            one("[ \"remove_paths\" (PATH | [ PATH ... ]) ]")?,
        )?),
        _ => return Err(name_at.error(unknown(&format!("operation {}", quote(name)), name, OPERATIONS))),
    })
}

/// The arguments of an operation, if there are as many as it takes.
fn exactly<'v, const N: usize>(
    at: At,
    arguments: &'v [Value],
    form: &str,
) -> Result<&'v [Value; N], ArgumentError> {
    arguments.try_into().map_err(|_| {
        let found = arguments.len();
        let plural = if found == 1 { "" } else { "s" };
        at.error(format!("found {found} argument{plural}, accepted: {form}"))
    })
}

fn each<T>(
    at: At,
    value: &Value,
    accepted: &str,
    read: impl Fn(At, &Value) -> Result<T, ArgumentError>,
) -> Result<Vec<T>, ArgumentError> {
    list(at, value, accepted)?.iter().enumerate().map(|(i, element)| read(at.index(i), element)).collect()
}

fn paths(at: At, value: &Value) -> Result<Vec<String>, ArgumentError> {
    each(at, value, "a list of paths", path)
}

fn path_or_paths(at: At, value: &Value) -> Result<Vec<String>, ArgumentError> {
    match Found::of(value) {
        Found::List(_) => paths(at, value),
        _ => Ok(vec![path(at, value)?]),
    }
}

/// A path, or `{ children_of = path or paths; }`, which is one entry a path.
fn split_path(at: At, value: &Value) -> Result<Vec<SplitPath>, ArgumentError> {
    let Found::Set(_) = Found::of(value) else {
        return Ok(vec![SplitPath::Path(path(at, value)?)]);
    };
    let form = "a path or { children_of = PATH; }";
    let spec = set(at, value, form)?;
    if let Some(key) = spec.keys().find(|key| *key != "children_of") {
        return Err(at.key(key).error(unknown("attribute", key, ["children_of"])));
    }
    let Some(parents) = spec.get("children_of") else {
        return Err(at.error(format!("found an empty set, accepted: {form}")));
    };
    let parents = path_or_paths(at.key("children_of"), parents)?;
    Ok(parents.into_iter().map(SplitPath::ChildrenOf).collect())
}

/// A count of paths or layers.
fn count(at: At, value: &Value) -> Result<usize, ArgumentError> {
    let accepted = "an integer, 1 or more";
    let count = integer(at, value, 1, i64::MAX, accepted)?;
    usize::try_from(count).map_err(|_| at.wrong(value, accepted))
}

/// A whole store path. What the evaluator vouches for may still be a placeholder of one (a content
/// addressed derivation's output); in the builder it is the path.
fn path(at: At, value: &Value) -> Result<String, ArgumentError> {
    let path = text(at, value, STORE_PATH)?;
    let vouched_for = matches!(Found::of(value), Found::Context(_) | Found::Path(_));
    match is_store_path(path) || vouched_for && path.starts_with('/') {
        true => Ok(path.to_owned()),
        false => Err(at.wrong_text(path, STORE_PATH)),
    }
}

/// `/STORE/HASH-NAME`: the store may be anywhere, the hash is 32 digits of Nix's base 32 (Nix
/// manual, "Store path").
fn is_store_path(path: &str) -> bool {
    let Some((store, name)) = path.rsplit_once('/') else { return false };
    let Some((hash, name)) = name.split_once('-') else { return false };
    let digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'z') && !matches!(b, b'e' | b'o' | b't' | b'u');
    let in_name = |b: u8| b.is_ascii_alphanumeric() || b"+-._?=".contains(&b);
    store.len() > 1
        && store.starts_with('/')
        && store.split('/').all(|component| component != "..")
        && hash.len() == 32
        && hash.bytes().all(digit)
        && !name.is_empty()
        && name.bytes().all(in_name)
}

#[cfg(test)]
#[path = "layering_tests.rs"]
mod tests;
