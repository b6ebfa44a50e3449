//! An archive: a tar whose members are indexed once, by a strict reader of ustar headers with PAX and GNU
//! long names (pax(1); GNU tar manual, "Basic Tar Format").

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{BaseError, Files};
use crate::layer::Extent;
use crate::layer::decompress::{Codec, Decompressor};
use crate::layer::tar::{BLOCK, padding};

/// Bodies of extended headers are names and numbers: more than this is refused.
const MAX_EXTENSION: u64 = 1 << 20;

/// Links among members are followed so far.
const MAX_LINKS: usize = 8;

/// The members of an archive, by name.
pub(super) struct Members {
    path: PathBuf,
    file: Arc<File>,
    members: HashMap<Vec<u8>, Member>,
}

enum Member {
    /// Offset and size of a regular file.
    File(u64, u64),
    /// A symbolic link's target, or a hard link's from the root: old Docker's layers are links at times.
    Link(Vec<u8>),
}

/// What extended headers say of the member that follows.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Members {
    /// Indexes the archive at `path`.
    pub(super) fn scan(path: &Path) -> Result<Members, BaseError> {
        let io = |source| BaseError::Io { path: path.into(), source };
        let file = plain(File::open(path).map_err(io)?).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut members = Members { path: path.into(), file: Arc::new(file), members: HashMap::new() };
        let mut at = 0;
        let mut extended = Extended::default();
        while at + BLOCK <= length {
            let block = members.bytes(at, BLOCK)?;
            if block.iter().all(|&byte| byte == 0) {
                return members.if_any(at);
            }
            if !checksum_is_right(&block) {
                return Err(match at {
                    0 => BaseError::Format { path: path.into(), found: "no tar".into() },
                    _ => members.wrong(at, "the header's checksum is wrong"),
                });
            }
            let kind = block[156];
            let field = number(&block[124..136]).ok_or_else(|| members.wrong(at, "the size is no number"))?;
            let extension = matches!(kind, b'x' | b'g' | b'L' | b'K');
            let size = match kind {
                _ if extension => field,
                // Links, devices, directories and FIFOs have no data, whatever their size says.
                b'1'..=b'6' => 0,
                _ => extended.size.take().unwrap_or(field),
            };
            let data = at + BLOCK;
            if size > length - data {
                return Err(members.wrong(at, &format!("a member of {size} bytes leads past the end")));
            }
            if extension && size > MAX_EXTENSION {
                return Err(members.wrong(at, &format!("an extended header of {size} bytes")));
            }
            match kind {
                b'x' | b'g' => {
                    let body = members.bytes(data, size)?;
                    let global = kind == b'g';
                    extended.read(&body, global).map_err(|what| members.wrong(at, what))?;
                }
                b'L' => extended.name = Some(until_nul(&members.bytes(data, size)?).to_vec()),
                b'K' => extended.link = Some(until_nul(&members.bytes(data, size)?).to_vec()),
                b'S' | b'M' => return Err(members.wrong(at, "a sparse or multi-volume member (GNU)")),
                _ => members.add(at, &block, std::mem::take(&mut extended), data, size)?,
            }
            at = data + size + padding(size);
        }
        // The end may be missing, and then the archive ends after a member.
        if at > 0 && at < length && members.bytes(at, length - at)?.iter().any(|&byte| byte != 0) {
            return Err(members.wrong(at, "it ends within a header"));
        }
        members.if_any(at)
    }

    fn add(
        &mut self,
        at: u64,
        block: &[u8],
        extended: Extended,
        data: u64,
        size: u64,
    ) -> Result<(), BaseError> {
        let name = extended.name.unwrap_or_else(|| name_in(block));
        let link = extended.link.unwrap_or_else(|| until_nul(&block[157..257]).to_vec());
        let name = name.strip_prefix(b"./").unwrap_or(&name).to_vec();
        let member = match block[156] {
            b'0' | 0 | b'7' if !name.ends_with(b"/") => Member::File(data, size),
            b'1' => Member::Link(link),
            b'2' => match beside(&name, &link) {
                Some(target) => Member::Link(target),
                None => return Ok(()), // leads out of the archive: nothing of ours
            },
            _ => return Ok(()),
        };
        match self.members.insert(name.clone(), member) {
            None => Ok(()),
            Some(_) => {
                let name = String::from_utf8_lossy(&name);
                Err(self.wrong(at, &format!("a second member called {name:?}")))
            }
        }
    }

    /// The members, unless the archive ended at once, at `at`.
    fn if_any(self, at: u64) -> Result<Members, BaseError> {
        match at {
            0 => Err(BaseError::Format { path: self.path, found: "no tar".into() }),
            _ => Ok(self),
        }
    }

    fn bytes(&self, at: u64, count: u64) -> Result<Vec<u8>, BaseError> {
        let mut bytes = vec![0; count as usize];
        let io = |source| BaseError::Io { path: self.path.clone(), source };
        self.file.read_exact_at(&mut bytes, at).map_err(io)?;
        Ok(bytes)
    }

    fn wrong(&self, at: u64, what: &str) -> BaseError {
        BaseError::Tar { path: self.path.clone(), at, what: what.into() }
    }
}

impl Files for Members {
    fn find(&self, name: &str) -> Result<Option<Extent>, BaseError> {
        let mut name = name.as_bytes();
        for _ in 0..MAX_LINKS {
            match self.members.get(name) {
                None => return Ok(None),
                Some(&Member::File(offset, size)) => {
                    let (file, path) = (self.file.clone(), self.path.clone());
                    return Ok(Some(Extent { file, offset, size, path }));
                }
                Some(Member::Link(target)) => name = target,
            }
        }
        let (path, name) = (self.path.clone(), String::from_utf8_lossy(name).into_owned());
        Err(BaseError::Document { path, name, what: "a link that leads to itself".into() })
    }
}

impl Extended {
    /// Takes in the records of a PAX header.
    fn read(&mut self, body: &[u8], global: bool) -> Result<(), &'static str> {
        for (key, value) in records(body).ok_or("a malformed PAX header")? {
            match key {
                b"path" | b"linkpath" | b"size" if global => {
                    return Err("a global PAX header that names or measures every member");
                }
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    self.size = Some(size.ok_or("a PAX size that is no number")?);
                }
                _ if key.starts_with(b"GNU.sparse") => return Err("a sparse member (GNU)"),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The file itself; if it is compressed (`docker save | gzip`, dockerTools), a temporary one without a name
/// that holds what it is without that.
fn plain(mut file: File) -> io::Result<File> {
    let mut start = Vec::new();
    (&file).take(16).read_to_end(&mut start)?;
    file.rewind()?;
    if Codec::of(&start) == Codec::None {
        return Ok(file);
    }
    let mut temporary = tempfile::tempfile()?;
    io::copy(&mut Decompressor::new(&file)?, &mut temporary)?;
    Ok(temporary)
}

/// The member that a symbolic link at `name` leads to; none if that is outside the archive.
fn beside(name: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = name.split(|&byte| byte == b'/').collect();
    parts.pop();
    if target.starts_with(b"/") {
        return None;
    }
    for part in target.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// The sum of a header's bytes, the checksum itself counted as spaces, is what it says.
fn checksum_is_right(block: &[u8]) -> bool {
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    let own: u64 = block[148..156].iter().map(|&byte| u64::from(byte)).sum();
    number(&block[148..156]) == Some(sum - own + 8 * u64::from(b' '))
}

/// A number in octal, ended by NUL or space, or in base 256 (GNU).
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let (head, tail) = field.split_at(field.len().checked_sub(8)?);
        let zeros = head.iter().enumerate().all(|(i, &byte)| byte == if i == 0 { 0x80 } else { 0 });
        return zeros.then(|| tail.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)));
    }
    let text = until_nul(field).trim_ascii();
    text.iter().try_fold(0u64, |value, &byte| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The name of a ustar header: prefix, slash, name.
fn name_in(block: &[u8]) -> Vec<u8> {
    let (name, prefix) = (until_nul(&block[..100]), until_nul(&block[345..500]));
    match block[257..263] == *b"ustar\0" && !prefix.is_empty() {
        true => [prefix, b"/", name].concat(),
        false => name.to_vec(),
    }
}

/// The records of a PAX header: `<length> <key>=<value>\n`.
fn records(mut body: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut records = Vec::new();
    while !body.is_empty() {
        let space = body.iter().position(|&byte| byte == b' ')?;
        let length: usize = std::str::from_utf8(&body[..space]).ok()?.parse().ok()?;
        let record = body.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        records.push((&record[..equals], &record[equals + 1..]));
        body = &body[length..];
    }
    Some(records)
}
