//! `includeNixDB`: the database that makes Nix believe in an image's store paths.
//!
//! Written directly, with Nix's schema (libstore/schema.sql, version 10, the same in Nix 2.0 to 2.35): rows in
//! the order of the paths, one time for all, so the bytes depend on the closure alone. A base image's database
//! is taken in: its rows stay as they are.

mod below;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::tree::{Attributes, Content, Directory, InTheWay, Leaf, LeafKind, Node};
use crate::base::filesystem;
use crate::closure::graph::PathInfo;
use crate::layer::Progress;
use crate::spec::Source;

/// Where Nix's state is.
pub const DIRECTORY: &str = "/nix/var/nix/db";

/// The file in it.
const FILE: &str = "db.sqlite";

/// What SQLite keeps beside it while it is open, or where it was not closed: of another database than ours it
/// would be the ruin of it (sqlite.org, "How To Corrupt", 1.4).
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// What Nix keeps in `schema`, beside the database.
const SCHEMA_VERSION: &str = "10";

/// Nix's tables (libstore/schema.sql): what it would make itself if they were not there.
const SCHEMA: &str = "
create table ValidPaths (
    id               integer primary key autoincrement not null,
    path             text unique not null,
    hash             text not null,
    registrationTime integer not null,
    deriver          text,
    narSize          integer,
    ultimate         integer,
    sigs             text,
    ca               text
);
create table Refs (
    referrer  integer not null,
    reference integer not null,
    primary key (referrer, reference),
    foreign key (referrer) references ValidPaths(id) on delete cascade,
    foreign key (reference) references ValidPaths(id) on delete restrict
);
create index IndexReferrer on Refs(referrer);
create index IndexReference on Refs(reference);
create trigger DeleteSelfRefs before delete on ValidPaths
  begin
    delete from Refs where referrer = old.id and reference = old.id;
  end;
create table DerivationOutputs (
    drv  integer not null,
    id   text not null,
    path text not null,
    primary key (drv, id),
    foreign key (drv) references ValidPaths(id) on delete cascade
);
create index IndexDerivationOutputs on DerivationOutputs(path);
";

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite refused something.
    #[error("the Nix database {}: {source}", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A base image's database is refused.
    #[error("{}: {DIRECTORY}/{FILE}: {what}", image.display())]
    Below {
        /// The image's file that it is in.
        image: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The user or Nix asked us to stop.
    #[error("interrupted")]
    Interrupted,
    /// The system refused something.
    #[error("{}: {source}", path.display())]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nix has not said what a database has to know, or in no known way.
    #[error("{path}: its narHash is {found}, expected sha256 in base 16, 32 or 64")]
    Hash {
        /// The store path.
        path: String,
        /// What Nix said.
        found: String,
    },
    /// A path refers to one that is not there.
    #[error("{path} refers to {reference}, which is not in the closure")]
    Open {
        /// The store path.
        path: String,
        /// The path that is missing.
        reference: String,
    },
}

impl DatabaseError {
    fn sqlite(path: &Path) -> impl Fn(rusqlite::Error) -> DatabaseError + '_ {
        |source| DatabaseError::Sqlite { path: path.to_path_buf(), source }
    }

    fn io(path: &Path) -> impl Fn(io::Error) -> DatabaseError + '_ {
        |source| DatabaseError::Io { path: path.to_path_buf(), source }
    }
}

/// Prepares a root layer for a database: directories that Nix looks for, and what keeps `sources` from being
/// collected as garbage, where dockerTools has it.
pub(super) fn make_room(
    root: &mut Directory,
    sources: impl IntoIterator<Item = Source>,
) -> Result<(), InTheWay> {
    let leaf = |kind, mode| Node::Leaf(Leaf { kind, attributes: Attributes::of_mode(mode) });
    for path in ["/nix/store", "/nix/var/nix/profiles", "/nix/var/nix/temproots"] {
        root.make(Path::new(path))?;
    }
    let schema = leaf(LeafKind::File(Content::Bytes(SCHEMA_VERSION.into())), 0o644);
    root.make(Path::new(DIRECTORY))?.entries.insert("schema".into(), schema);
    let kept = root.make(Path::new("/nix/var/nix/gcroots/docker"))?;
    for source in sources {
        if let Some(name) = source.path.file_name() {
            let link = leaf(LeafKind::Link(source.path.clone().into_os_string()), 0o777);
            kept.entries.insert(name.into(), link);
        }
    }
    Ok(())
}

/// Removes what a script has left where the database will be.
pub(super) fn clear_room(root: &mut Directory) -> Result<(), InTheWay> {
    let whiteout = format!(".wh.{FILE}");
    let is_databases =
        |name: &[u8]| name.starts_with(FILE.as_bytes()) || name.starts_with(whiteout.as_bytes());
    let directory = root.make(Path::new(DIRECTORY))?;
    directory.entries.retain(|name, _| !is_databases(name.as_encoded_bytes()));
    Ok(())
}

/// A row of `ValidPaths`, with the paths that it refers to.
struct Row {
    hash: String,
    time: i64,
    deriver: Option<String>,
    size: Option<i64>,
    ultimate: Option<i64>,
    signatures: Option<String>,
    content_address: Option<String>,
    references: Vec<String>,
}

/// Writes the database of `closure`, less `without`, into `directory`: every file there is a member of the
/// directory [`DIRECTORY`] of an image, whiteouts of what the image below has beside its own among them. What
/// that one says is taken in. `time`, in seconds since 1970, is when the paths are said to have been registered.
pub fn write(
    closure: &[PathInfo],
    without: &Path,
    below: Option<&filesystem::Directory>,
    time: i64,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<(), DatabaseError> {
    let mut rows = match below {
        Some(image) => below::rows(image, progress)?,
        None => BTreeMap::new(),
    };
    for info in closure.iter().filter(|info| Path::new(&info.path) != without) {
        rows.entry(info.path.clone()).or_insert(Row {
            hash: base16(info)?,
            time,
            deriver: None,
            size: i64::try_from(info.nar_size).ok(),
            ultimate: None,
            signatures: None,
            content_address: None,
            references: info.references.clone(),
        });
    }
    let has = |suffix: &&&str| {
        let path = Path::new(DIRECTORY).join(format!("{FILE}{suffix}"));
        below.is_some_and(|image| image.file(&path).is_some())
    };
    for suffix in BESIDE.iter().filter(has) {
        let whiteout = directory.join(format!(".wh.{FILE}{suffix}"));
        fs::write(&whiteout, "").map_err(DatabaseError::io(&whiteout))?;
    }
    write_rows(&rows, &directory.join(FILE))
}

fn write_rows(rows: &BTreeMap<String, Row>, out: &Path) -> Result<(), DatabaseError> {
    let failed = DatabaseError::sqlite(out);
    let mut database = Connection::open(out).map_err(&failed)?;
    // Nobody else sees it before it is whole, so there is nothing to come back to.
    database.pragma_update(None, "journal_mode", "off").map_err(&failed)?;
    let transaction = database.transaction().map_err(&failed)?;
    transaction.execute_batch(SCHEMA).map_err(&failed)?;
    let ids: BTreeMap<&str, i64> = rows.keys().map(String::as_str).zip(1..).collect();
    {
        let mut path = transaction
            .prepare("insert into ValidPaths values (?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .map_err(&failed)?;
        let mut reference = transaction.prepare("insert into Refs values (?, ?)").map_err(&failed)?;
        for (name, row) in rows {
            let Row { hash, time, deriver, size, ultimate, signatures, content_address, .. } = row;
            let id = ids[name.as_str()];
            path.execute(params![id, name, hash, time, deriver, size, ultimate, signatures, content_address])
                .map_err(&failed)?;
        }
        for (name, row) in rows {
            let mut references: Vec<&String> = row.references.iter().collect();
            references.sort();
            references.dedup();
            for to in references {
                let open = || DatabaseError::Open { path: name.clone(), reference: to.clone() };
                let to = ids.get(to.as_str()).ok_or_else(open)?;
                reference.execute(params![ids[name.as_str()], to]).map_err(&failed)?;
            }
        }
    }
    transaction.commit().map_err(&failed)?;
    database.close().map_err(|(_, e)| failed(e))
}

/// A path's hash as the database has it: `sha256:` and 64 hexadecimal digits.
fn base16(info: &PathInfo) -> Result<String, DatabaseError> {
    let said = info.nar_hash.as_deref().unwrap_or_default();
    let wrong = || DatabaseError::Hash { path: info.path.clone(), found: format!("{said:?}") };
    let bytes = match said.split_at_checked(7).ok_or_else(wrong)? {
        ("sha256:", hex) if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
            return Ok(said.to_ascii_lowercase());
        }
        ("sha256:", text) if text.len() == 52 => nix32(text),
        ("sha256-", text) => base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).ok(),
        _ => None,
    };
    let bytes = bytes.filter(|bytes| bytes.len() == 32).ok_or_else(wrong)?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256:{hex}"))
}

/// The bytes that 52 characters of Nix's base 32 stand for: five bits each, the last character first.
fn nix32(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8] = b"0123456789abcdfghijklmnpqrsvwxyz";
    let mut bytes = vec![0; 32];
    for (index, character) in text.bytes().rev().enumerate() {
        let digit = DIGITS.iter().position(|&digit| digit == character)? as u16;
        let (at, shift) = (index * 5 / 8, index * 5 % 8);
        let bits = digit << shift;
        bytes[at] |= bits as u8;
        match bytes.get_mut(at + 1) {
            Some(next) => *next |= (bits >> 8) as u8,
            None if bits >> 8 != 0 => return None,
            None => {}
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_in_all_of_nixs_notations_are_one() {
        // nix-hash --type sha256 --to-base16, --to-base32, --to-sri of the digest of "abc" (FIPS 180-2, B.1).
        let expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for said in [
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s",
            "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
        ] {
            let info = PathInfo {
                path: "/nix/store/x".into(),
                nar_hash: Some(said.into()),
                nar_size: 1,
                references: Vec::new(),
            };
            assert_eq!(base16(&info).unwrap(), expected);
        }
    }

    #[test]
    fn other_hashes_are_refused() {
        for said in [None, Some("sha256:"), Some("md5:00"), Some("sha256:zz"), Some("sha256-AAAA")] {
            let info = PathInfo {
                path: "/nix/store/x".into(),
                nar_hash: said.map(str::to_owned),
                nar_size: 1,
                references: Vec::new(),
            };
            assert!(matches!(base16(&info), Err(DatabaseError::Hash { .. })), "{said:?}");
        }
    }
}
