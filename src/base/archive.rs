//! An archive of an OCI image layout: a tar whose regular members are indexed once, by a strict reader
//! of ustar headers with PAX and GNU long names (pax(1); GNU tar manual, "Basic Tar Format").

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{BaseError, Files};
use crate::layer::tar::{BLOCK, padding};

/// Bodies of extended headers are names and numbers: more than this is refused.
const MAX_EXTENSION: u64 = 1 << 20;

/// The regular members of an archive.
pub(super) struct Members {
    path: PathBuf,
    file: File,
    /// Name to offset and size.
    members: HashMap<Vec<u8>, (u64, u64)>,
}

impl Members {
    /// Indexes the archive at `path`.
    pub(super) fn scan(path: &Path) -> Result<Members, BaseError> {
        let io = |source| BaseError::Io { path: path.into(), source };
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut members = Members { path: path.into(), file, members: HashMap::new() };
        let (mut at, mut long_name, mut long_size) = (0, None, None);
        while at + BLOCK <= length {
            let block = members.bytes(at, BLOCK)?;
            if block.iter().all(|&byte| byte == 0) {
                return Ok(members);
            }
            if !checksum_is_right(&block) {
                return Err(match at {
                    0 => BaseError::Format { path: path.into(), found: "no tar".into() },
                    _ => members.wrong(at, "the header's checksum is wrong"),
                });
            }
            let kind = block[156];
            let in_field =
                number(&block[124..136]).ok_or_else(|| members.wrong(at, "the size is no number"))?;
            let extension = matches!(kind, b'x' | b'g' | b'L' | b'K');
            let size = if extension { in_field } else { long_size.take().unwrap_or(in_field) };
            let data = at + BLOCK;
            if size > length || data + size > length {
                return Err(members.wrong(at, &format!("a member of {size} bytes leads past the end")));
            }
            if extension && size > MAX_EXTENSION {
                return Err(members.wrong(at, &format!("an extended header of {size} bytes")));
            }
            match kind {
                b'x' => {
                    let body = members.bytes(data, size)?;
                    for (key, value) in
                        records(&body).ok_or_else(|| members.wrong(at, "a malformed PAX header"))?
                    {
                        match key {
                            b"path" => long_name = Some(value.to_vec()),
                            b"size" => {
                                let digits =
                                    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                                let digits = digits
                                    .ok_or_else(|| members.wrong(at, "a PAX size that is no number"))?;
                                long_size = Some(digits);
                            }
                            _ => {}
                        }
                    }
                }
                b'L' => long_name = Some(until_nul(&members.bytes(data, size)?).to_vec()),
                b'g' | b'K' => {}
                _ => {
                    let name = long_name.take().unwrap_or_else(|| name_in(&block));
                    let regular = matches!(kind, b'0' | 0 | b'7') && !name.ends_with(b"/");
                    if regular {
                        let name = name.strip_prefix(b"./").unwrap_or(&name).to_vec();
                        if members.members.insert(name.clone(), (data, size)).is_some() {
                            let name = String::from_utf8_lossy(&name);
                            return Err(members.wrong(at, &format!("a second member called {name:?}")));
                        }
                    }
                }
            }
            at = data + size + padding(size);
        }
        match at {
            0 => Err(BaseError::Format { path: path.into(), found: "no tar".into() }),
            _ => Ok(members),
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
    fn read(&self, name: &str, limit: usize) -> Result<Vec<u8>, BaseError> {
        let wrong = |what: String| BaseError::Document { path: self.path.clone(), name: name.into(), what };
        match self.members.get(name.as_bytes()) {
            None => Err(wrong("missing".into())),
            Some(&(_, size)) if size > limit as u64 => Err(wrong(format!("more than {limit} bytes"))),
            Some(&(at, size)) => self.bytes(at, size),
        }
    }
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
