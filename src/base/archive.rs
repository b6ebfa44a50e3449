//! An archive: a tar whose members are indexed once, and read in place.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::tar::{self, Source};
use super::{BaseError, Files};
use crate::layer::decompress::{Codec, Decompressor};
use crate::layer::tar::BLOCK;
use crate::layer::{Extent, Progress};

/// Bytes unpacked between two looks at Ctrl-C.
const CHUNK: u64 = 4 << 20;
/// Members of an archive: an image of 127 layers has some 400, and an archive may hold many images.
const MAX_MEMBERS: usize = 200_000;
/// No document names a member of a longer name (PATH_MAX).
const MAX_NAME: usize = 4096;

/// Links among members are followed so far.
const MAX_LINKS: usize = 8;

/// The members of an archive, by name.
pub(super) struct Members {
    path: Arc<Path>,
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
    pub(super) fn scan(path: &Path, progress: &dyn Progress) -> Result<Members, BaseError> {
        let io = |source| BaseError::Io { path: path.into(), source };
        let file = plain(path, File::open(path).map_err(io)?, progress)?;
        let length = file.metadata().map_err(io)?.len();
        let mut start = [0; BLOCK as usize];
        if length >= start.len() as u64 {
            file.read_exact_at(&mut start, 0).map_err(io)?;
        }
        if !tar::checksum_is_right(&start) {
            return Err(no_tar(path));
        }
        let mut members = HashMap::new();
        let mut tar = tar::Members::new(Bytes { path, file: &file, at: 0, length });
        while let Some(member) = tar.next()? {
            if progress.cancelled() {
                return Err(BaseError::Interrupted);
            }
            let name = member.name();
            let name = name.strip_prefix(b"./").unwrap_or(&name).to_vec();
            if name.len() > MAX_NAME {
                continue;
            }
            if members.len() == MAX_MEMBERS {
                return Err(tar.wrong(member.at, &format!("an archive of more than {MAX_MEMBERS} members")));
            }
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
        let (path, name) = (self.path.to_path_buf(), String::from_utf8_lossy(name).into_owned());
        Err(BaseError::Document { path, name, what: "a link that leads to itself".into() })
    }
}

fn no_tar(path: &Path) -> BaseError {
    BaseError::Format { path: path.into(), found: "no tar".into() }
}

/// The file itself; if it is compressed (`docker save | gzip`, dockerTools), a temporary one without a name
/// that holds what it is without that. What does not begin as a tar is not unpacked.
fn plain(path: &Path, mut file: File, progress: &dyn Progress) -> Result<File, BaseError> {
    let io = |source| BaseError::Io { path: path.into(), source };
    let mut start = Vec::new();
    (&file).take(16).read_to_end(&mut start).map_err(io)?;
    file.rewind().map_err(io)?;
    if Codec::of(&start) == Codec::None {
        return Ok(file);
    }
    let size = file.metadata().map_err(io)?.len();
    let mut unpacked = Decompressor::new(&file, size).map_err(io)?;
    let mut block = Vec::with_capacity(BLOCK as usize);
    unpacked.by_ref().take(BLOCK).read_to_end(&mut block).map_err(io)?;
    if block.len() < BLOCK as usize || !tar::checksum_is_right(&block) {
        return Err(no_tar(path));
    }
    let mut temporary = tempfile::tempfile().map_err(io)?;
    temporary.write_all(&block).map_err(io)?;
    loop {
        if progress.cancelled() {
            return Err(BaseError::Interrupted);
        }
        if io::copy(&mut unpacked.by_ref().take(CHUNK), &mut temporary).map_err(io)? == 0 {
            return Ok(temporary);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Says to stop once it was asked so many times.
    struct Stop(std::sync::atomic::AtomicUsize);

    impl Progress for Stop {
        fn layer(&self, _index: usize, _count: usize) {}
        fn bytes(&self, _count: u64) {}
        fn cancelled(&self) -> bool {
            let left = self.0.load(std::sync::atomic::Ordering::Relaxed);
            self.0.store(left.saturating_sub(1), std::sync::atomic::Ordering::Relaxed);
            left == 0
        }
    }

    #[test]
    fn a_request_to_stop_is_heeded_while_an_archive_is_unpacked_and_while_it_is_read() {
        let mut header = vec![0; BLOCK as usize];
        header[0] = b'a';
        header[148..156].copy_from_slice(b"000541\0 ");
        let tar = [header, vec![0; 3 * CHUNK as usize]].concat();
        let folder = tempfile::tempdir().unwrap();
        let (plain, packed) = (folder.path().join("plain"), folder.path().join("packed"));
        std::fs::write(&plain, &tar).unwrap();
        std::fs::write(&packed, zstd::stream::encode_all(&tar[..], 1).unwrap()).unwrap();
        for (path, asked) in [(&plain, 0), (&packed, 0), (&packed, 2)] {
            let found = Members::scan(path, &Stop(asked.into())).map(drop);
            assert!(matches!(found, Err(BaseError::Interrupted)), "{path:?} {asked} {found:?}");
        }
        assert!(Members::scan(&packed, &crate::layer::Silent).is_ok());
    }
}
