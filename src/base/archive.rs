//! An archive: a tar whose members are indexed once, and read in place.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tar::{self, Source};
use super::{BaseError, Files};
use crate::layer::Extent;
use crate::layer::decompress::{Codec, Decompressor};
use crate::layer::tar::BLOCK;

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

/// The archive's bytes, read here and there: what is passed over is not looked at.
struct Bytes<'a> {
    path: &'a Path,
    file: &'a File,
    at: u64,
    length: u64,
}

impl Source for Bytes<'_> {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, BaseError> {
        let count = (self.length - self.at).min(buffer.len() as u64) as usize;
        let io = |source| BaseError::Io { path: self.path.into(), source };
        self.file.read_exact_at(&mut buffer[..count], self.at).map_err(io)?;
        self.at += count as u64;
        Ok(count)
    }

    fn skip(&mut self, count: u64) -> Result<bool, BaseError> {
        let left = self.length - self.at;
        self.at += count.min(left);
        Ok(count <= left)
    }

    fn wrong(&self, at: u64, what: &str) -> BaseError {
        BaseError::Tar { path: self.path.into(), at, what: what.into() }
    }
}

impl Members {
    /// Indexes the archive at `path`.
    pub(super) fn scan(path: &Path) -> Result<Members, BaseError> {
        let io = |source| BaseError::Io { path: path.into(), source };
        let file = plain(File::open(path).map_err(io)?).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut start = [0; BLOCK as usize];
        if length >= start.len() as u64 {
            file.read_exact_at(&mut start, 0).map_err(io)?;
        }
        if !tar::checksum_is_right(&start) {
            return Err(BaseError::Format { path: path.into(), found: "no tar".into() });
        }
        let mut members = HashMap::new();
        let mut tar = tar::Members::new(Bytes { path, file: &file, at: 0, length });
        while let Some(member) = tar.next()? {
            let name = member.name();
            let name = name.strip_prefix(b"./").unwrap_or(&name).to_vec();
            let Some(found) = interesting(&member, &name) else { continue };
            if members.insert(name.clone(), found).is_some() {
                let name = String::from_utf8_lossy(&name);
                return Err(tar.wrong(member.at, &format!("a second member called {name:?}")));
            }
        }
        Ok(Members { path: path.into(), file: Arc::new(file), members })
    }
}

/// A file, or a link that leads to a name in the archive.
fn interesting(member: &tar::Member, name: &[u8]) -> Option<Member> {
    match member.kind() {
        b'0' | 0 | b'7' if !name.ends_with(b"/") => Some(Member::File(member.data, member.size)),
        b'1' => Some(Member::Link(member.link())),
        b'2' => beside(name, &member.link()).map(Member::Link),
        _ => None,
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
