//! Of what types the values in documents are: image-spec's JSON schemas and, for keys that those do not know, the
//! types of Docker (moby, image/spec/specs-go/v1 and api/types/container, `Config`) and containers/image
//! (manifest/docker_schema2.go).

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::digest::Digest;

/// What a value has to be.
pub(super) enum Shape {
    Text,
    /// RFC 3339, as Go reads it.
    Time,
    Flag,
    Integer,
    /// A number of bytes: an int64 (image-spec, descriptor.md) that is not negative.
    Size,
    Digest,
    MediaType,
    Uri,
    /// An object with anything in it.
    Set,
    List(&'static Shape),
    /// An object with any keys.
    Map(&'static Shape),
    Object(&'static [Field], Case),
}

/// A key of an object.
pub(super) struct Field(&'static str, Presence, Shape);

/// Whether a key may be left out, and what `null` means.
enum Presence {
    Required,
    /// Left out, or `null`, which the schemas refuse.
    Optional,
    /// Left out, or `null`, which the schemas accept.
    Nullable,
    /// The schemas want a string, Go does without.
    OrEmpty,
    /// There, and `null` stands for an empty list in Go.
    OrNoList,
}

use Presence::{Nullable, Optional, OrEmpty, OrNoList, Required};

/// How a key is read that differs from a known one in case alone: Go takes it for that, others do not.
pub(super) enum Case {
    /// As in Go: Docker takes `EntryPoint` for `Entrypoint`, and users write it.
    Folded,
    /// Not at all.
    Exact,
}

const TEXTS: Shape = Shape::List(&Shape::Text);
const LABELS: Shape = Shape::Map(&Shape::Text);
const SETS: Shape = Shape::Map(&Shape::Set);

static PLATFORM: [Field; 6] = [
    Field("architecture", OrEmpty, Shape::Text),
    Field("os", OrEmpty, Shape::Text),
    Field("os.version", Optional, Shape::Text),
    Field("os.features", Optional, TEXTS),
    Field("variant", Optional, Shape::Text),
    Field("features", Nullable, TEXTS),
];

static DESCRIPTOR_FIELDS: [Field; 8] = [
    Field("mediaType", Required, Shape::MediaType),
    Field("digest", Required, Shape::Digest),
    Field("size", Required, Shape::Size),
    Field("urls", Optional, Shape::List(&Shape::Uri)),
    Field("annotations", Optional, LABELS),
    Field("data", Optional, Shape::Text),
    Field("artifactType", Optional, Shape::MediaType),
    Field("platform", Optional, Shape::Object(&PLATFORM, Case::Exact)),
];
static DESCRIPTOR: Shape = Shape::Object(&DESCRIPTOR_FIELDS, Case::Exact);

static MANIFEST_FIELDS: [Field; 7] = [
    Field("schemaVersion", Required, Shape::Integer),
    Field("mediaType", Optional, Shape::MediaType),
    Field("config", Required, Shape::Object(&DESCRIPTOR_FIELDS, Case::Exact)),
    Field("layers", Required, Shape::List(&DESCRIPTOR)),
    Field("annotations", Optional, LABELS),
    Field("artifactType", Optional, Shape::MediaType),
    Field("subject", Optional, Shape::Object(&DESCRIPTOR_FIELDS, Case::Exact)),
];
/// manifest.md.
pub(super) static MANIFEST: Shape = Shape::Object(&MANIFEST_FIELDS, Case::Exact);

static INDEX_FIELDS: [Field; 6] = [
    Field("schemaVersion", Required, Shape::Integer),
    Field("mediaType", Optional, Shape::MediaType),
    Field("manifests", OrNoList, Shape::List(&DESCRIPTOR)),
    Field("annotations", Optional, LABELS),
    Field("artifactType", Optional, Shape::MediaType),
    Field("subject", Optional, Shape::Object(&DESCRIPTOR_FIELDS, Case::Exact)),
];
/// image-index.md.
pub(super) static INDEX: Shape = Shape::Object(&INDEX_FIELDS, Case::Exact);

static LAYOUT_FIELDS: [Field; 1] = [Field("imageLayoutVersion", Required, Shape::Text)];
/// image-layout.md.
pub(super) static LAYOUT: Shape = Shape::Object(&LAYOUT_FIELDS, Case::Exact);

static DOCKER_IMAGE_FIELDS: [Field; 3] = [
    Field("Config", Required, Shape::Text),
    Field("RepoTags", Optional, TEXTS),
    Field("Layers", Optional, TEXTS),
];
static DOCKER_IMAGE: Shape = Shape::Object(&DOCKER_IMAGE_FIELDS, Case::Folded);
/// moby, image/spec/v1.2.md, "Combined Image JSON".
pub(super) static DOCKER_MANIFEST: Shape = Shape::List(&DOCKER_IMAGE);

static HEALTHCHECK: [Field; 6] = [
    Field("Test", Nullable, TEXTS),
    Field("Interval", Nullable, Shape::Integer),
    Field("Timeout", Nullable, Shape::Integer),
    Field("StartPeriod", Nullable, Shape::Integer),
    Field("StartInterval", Nullable, Shape::Integer),
    Field("Retries", Nullable, Shape::Integer),
];

static PROCESS: [Field; 25] = [
    Field("User", Optional, Shape::Text),
    Field("ExposedPorts", Optional, SETS),
    Field("Env", Optional, TEXTS),
    Field("Entrypoint", Nullable, TEXTS),
    Field("Cmd", Nullable, TEXTS),
    Field("Volumes", Nullable, SETS),
    Field("WorkingDir", Optional, Shape::Text),
    Field("Labels", Nullable, LABELS),
    Field("StopSignal", Optional, Shape::Text),
    Field("ArgsEscaped", Optional, Shape::Flag),
    // Docker's own.
    Field("Hostname", Nullable, Shape::Text),
    Field("Domainname", Nullable, Shape::Text),
    Field("AttachStdin", Nullable, Shape::Flag),
    Field("AttachStdout", Nullable, Shape::Flag),
    Field("AttachStderr", Nullable, Shape::Flag),
    Field("Tty", Nullable, Shape::Flag),
    Field("OpenStdin", Nullable, Shape::Flag),
    Field("StdinOnce", Nullable, Shape::Flag),
    Field("Healthcheck", Nullable, Shape::Object(&HEALTHCHECK, Case::Folded)),
    Field("Image", Nullable, Shape::Text),
    Field("NetworkDisabled", Nullable, Shape::Flag),
    Field("MacAddress", Nullable, Shape::Text),
    Field("OnBuild", Nullable, TEXTS),
    Field("StopTimeout", Nullable, Shape::Integer),
    Field("Shell", Nullable, TEXTS),
];

static ROOTFS: [Field; 2] =
    [Field("type", Required, Shape::Text), Field("diff_ids", OrNoList, Shape::List(&Shape::Digest))];

static HISTORY_FIELDS: [Field; 5] = [
    Field("created", Optional, Shape::Time),
    Field("author", Optional, Shape::Text),
    Field("created_by", Optional, Shape::Text),
    Field("comment", Optional, Shape::Text),
    Field("empty_layer", Optional, Shape::Flag),
];
static HISTORY: Shape = Shape::Object(&HISTORY_FIELDS, Case::Folded);

static CONFIG_FIELDS: [Field; 16] = [
    Field("created", Optional, Shape::Time),
    Field("author", Optional, Shape::Text),
    Field("architecture", OrEmpty, Shape::Text),
    Field("variant", Optional, Shape::Text),
    Field("os", OrEmpty, Shape::Text),
    Field("os.version", Optional, Shape::Text),
    Field("os.features", Optional, TEXTS),
    Field("config", Optional, Shape::Object(&PROCESS, Case::Folded)),
    Field("rootfs", Required, Shape::Object(&ROOTFS, Case::Folded)),
    Field("history", Optional, Shape::List(&HISTORY)),
    // Docker's own.
    Field("id", Nullable, Shape::Text),
    Field("parent", Nullable, Shape::Text),
    Field("comment", Nullable, Shape::Text),
    Field("container", Nullable, Shape::Text),
    Field("container_config", Nullable, Shape::Object(&PROCESS, Case::Folded)),
    Field("docker_version", Nullable, Shape::Text),
];
/// config.md.
pub(super) static CONFIG: Shape = Shape::Object(&CONFIG_FIELDS, Case::Folded);

/// A value that was checked, and has lost its `null`s but those that the schemas accept.
pub(super) struct Checked {
    /// Whether the schemas would have refused it as it was.
    pub(super) rewritten: bool,
}

/// Checks that `value` is a `shape`.
pub(super) fn check(value: &mut Value, shape: &Shape) -> Result<Checked, String> {
    let mut checked = Checked { rewritten: false };
    checked.value(value, shape).map_err(|Wrong { path, what }| match path.is_empty() {
        true => format!("it {what}"),
        false => format!("{} {what}", path.trim_start_matches('.')),
    })?;
    Ok(checked)
}

/// The beginning of a value.
pub(super) fn shown(value: &Value) -> String {
    const SHOWN: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// What is wrong, and where.
struct Wrong {
    path: String,
    what: String,
}

impl Wrong {
    fn new(what: impl Into<String>) -> Wrong {
        Wrong { path: String::new(), what: what.into() }
    }

    fn type_of(value: &Value, expected: &str) -> Wrong {
        Wrong::new(format!("is {}, expected {expected}", shown(value)))
    }

    /// One level up: `step` is `.key` or `[0]`.
    fn at(self, step: &str) -> Wrong {
        Wrong { path: format!("{step}{}", self.path), what: self.what }
    }

    fn at_key(self, key: &str) -> Wrong {
        let is_plain = key.chars().all(|c| c.is_alphanumeric() || c == '_');
        let step = if is_plain && !key.is_empty() { format!(".{key}") } else { format!(".{key:?}") };
        self.at(&step)
    }
}

impl Checked {
    fn value(&mut self, value: &mut Value, shape: &Shape) -> Result<(), Wrong> {
        let is_text = |right: fn(&str) -> bool| value.as_str().is_some_and(right);
        let (is_right, expected) = match shape {
            Shape::List(of) => return self.list(value, of),
            Shape::Map(of) => return self.map(value, of),
            Shape::Object(fields, case) => return self.object(value, fields, case),
            Shape::Digest => match value.as_str().map(str::parse::<Digest>) {
                Some(Err(error)) => return Err(Wrong::new(format!("is wrong: {error}"))),
                found => (found.is_some(), "a digest"),
            },
            Shape::Text => (value.is_string(), "a string"),
            Shape::Time => (is_text(is_time), "a time as 2006-01-02T15:04:05Z (RFC 3339)"),
            Shape::Flag => (value.is_boolean(), "true or false"),
            Shape::Integer => (value.is_i64(), "an integer"),
            Shape::Size => (value.as_i64().is_some_and(|size| size >= 0), "a size from 0 to 2^63 - 1"),
            Shape::MediaType => (is_text(is_media_type), "a media type"),
            Shape::Uri => (is_text(is_uri), "a URI"),
            Shape::Set => (value.is_object(), "an object"),
        };
        match is_right {
            true => Ok(()),
            false => Err(Wrong::type_of(value, expected)),
        }
    }

    /// An element of a list or map: Go takes `null` for an empty one.
    fn element(&mut self, value: &mut Value, shape: &Shape) -> Result<(), Wrong> {
        if value.is_null() {
            self.rewritten = true;
            *value = match shape {
                Shape::Text => "".into(),
                Shape::Set | Shape::Map(_) | Shape::Object(..) => Map::new().into(),
                _ => Value::Null,
            };
        }
        self.value(value, shape)
    }

    fn list(&mut self, value: &mut Value, of: &Shape) -> Result<(), Wrong> {
        let Value::Array(list) = value else { return Err(Wrong::type_of(value, "a list")) };
        for (index, element) in list.iter_mut().enumerate() {
            self.element(element, of).map_err(|wrong| wrong.at(&format!("[{index}]")))?;
        }
        Ok(())
    }

    fn map(&mut self, value: &mut Value, of: &Shape) -> Result<(), Wrong> {
        let Value::Object(map) = value else { return Err(Wrong::type_of(value, "an object")) };
        for (key, element) in map.iter_mut() {
            self.element(element, of).map_err(|wrong| wrong.at_key(key))?;
        }
        Ok(())
    }

    fn object(&mut self, value: &mut Value, fields: &[Field], case: &Case) -> Result<(), Wrong> {
        let Value::Object(object) = value else { return Err(Wrong::type_of(value, "an object")) };
        unfold(object, fields, case)?;
        for Field(name, presence, shape) in fields {
            let is_null = match object.get_mut(*name) {
                Some(Value::Null) => true,
                Some(value) => {
                    self.value(value, shape).map_err(|wrong| wrong.at_key(name))?;
                    continue;
                }
                None => false,
            };
            match (presence, is_null) {
                (Optional | Nullable, false) | (Nullable, true) => {}
                (Optional, true) => {
                    object.remove(*name);
                    self.rewritten = true;
                }
                (OrEmpty, _) => {
                    object.insert((*name).to_owned(), "".into());
                    self.rewritten = true;
                }
                (OrNoList, true) => {
                    object.insert((*name).to_owned(), Value::Array(Vec::new()));
                    self.rewritten = true;
                }
                (Required, true) => return Err(Wrong::type_of(&Value::Null, "a value").at_key(name)),
                (Required | OrNoList, false) => return Err(Wrong::new("is missing").at_key(name)),
            }
        }
        Ok(())
    }
}

/// Gives keys that differ from known ones in case alone their usual name.
fn unfold(object: &mut Map<String, Value>, fields: &[Field], case: &Case) -> Result<(), Wrong> {
    let known = |key: &String| {
        let field = fields.iter().find(|Field(name, ..)| key.eq_ignore_ascii_case(name) && key != name);
        field.map(|Field(name, ..)| (key.clone(), *name))
    };
    let folded: Vec<(String, &str)> = object.keys().filter_map(known).collect();
    for (key, name) in folded {
        if matches!(case, Case::Exact) {
            return Err(Wrong::new(format!("has {key:?}, which is not {name:?}: readers would differ")));
        }
        if object.contains_key(name) {
            return Err(Wrong::new(format!("has both {key:?} and {name:?}: readers would differ")));
        }
        if let Some(value) = object.remove(&key) {
            object.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

/// RFC 3339 without what Go refuses: lower-case letters and leap seconds.
fn is_time(text: &str) -> bool {
    OffsetDateTime::parse(text, &Rfc3339).is_ok()
        && text.get(10..11) == Some("T")
        && !text.ends_with('z')
        && text.get(17..19) != Some("60")
}

/// defs-descriptor.json, "mediaType".
fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        (1..=127).contains(&name.len())
            && bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric())
            && bytes.all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'&'..=b'^' | b'!' | b'#' | b'$' | b'_')
            })
    };
    text.split_once('/').is_some_and(|(kind, name)| is_name(kind) && is_name(name))
}

/// RFC 3986, as far as it matters: a scheme, and no character that a URI has only escaped.
fn is_uri(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let rest = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
    text.split_once(':').is_some_and(|(scheme, tail)| is_scheme(scheme) && tail.chars().all(rest))
}
