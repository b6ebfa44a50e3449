//! What a tar's member is: its metadata, and its place if it is a file.

use std::collections::HashSet;
use std::sync::Arc;

use super::apply::What;
use super::stream::Place;
use super::{InodeKind, Metadata};
use crate::base::tar::Member;

/// The longest target that Linux has for a symbolic link (PATH_MAX, with its NUL).
const MAX_TARGET: usize = 4095;
/// The largest device numbers that Linux has (linux/kdev_t.h).
const MAX_DEVICE: (u64, u64) = (0xfff, 0xf_ffff);
/// The largest number of a user or group: 2^32 - 1 means "leave as it is" (chown(2)).
const MAX_ID: u64 = u32::MAX as u64 - 1;

/// Names of users and groups, each once.
#[derive(Default)]
pub(super) struct Names(HashSet<Arc<str>>);

impl Names {
    fn get(&mut self, name: &[u8]) -> Arc<str> {
        let name = String::from_utf8_lossy(name);
        if let Some(known) = self.0.get(&*name) {
            return known.clone();
        }
        let name: Arc<str> = name.into();
        self.0.insert(name.clone());
        name
    }
}

/// Reads a member of the layer whose bytes are at `place`.
pub(super) fn read(member: &Member, place: &Place, names: &mut Names) -> Result<(Metadata, What), String> {
    let what = match member.kind() {
        // Before POSIX, a directory was a file whose name ends in a slash.
        0 if member.name().ends_with(b"/") => What::Directory,
        0 | b'0' | b'7' => What::Inode(InodeKind::File(place.extent(member.data, member.size))),
        b'1' => What::Hardlink(member.link()),
        b'2' => What::Inode(InodeKind::Symlink(symlink(member)?)),
        b'3' => device(member).map(|(major, minor)| What::Inode(InodeKind::Character(major, minor)))?,
        b'4' => device(member).map(|(major, minor)| What::Inode(InodeKind::Block(major, minor)))?,
        b'5' => What::Directory,
        b'6' => What::Inode(InodeKind::Fifo),
        other => return Err(format!("a member of the unknown type {:?}", char::from(other))),
    };
    Ok((metadata(member, names)?, what))
}

fn metadata(member: &Member, names: &mut Names) -> Result<Metadata, String> {
    let wrong = |field: &str| format!("its {field} is no number");
    let id = |id: Option<u64>, field: &str| match id.ok_or_else(|| wrong(field))? {
        id @ 0..=MAX_ID => Ok(id as u32),
        id => Err(format!("its {field} is {id}, and the largest is {MAX_ID}")),
    };
    Ok(Metadata {
        mode: member.mode().ok_or_else(|| wrong("mode"))?,
        uid: id(member.uid(), "uid")?,
        gid: id(member.gid(), "gid")?,
        uname: names.get(member.uname()),
        gname: names.get(member.gname()),
        mtime: member.mtime().ok_or_else(|| wrong("mtime"))?,
        xattrs: member.xattrs(),
    })
}

fn symlink(member: &Member) -> Result<Vec<u8>, String> {
    match member.link() {
        target if target.is_empty() => Err("a symbolic link to nothing".into()),
        target if target.len() > MAX_TARGET => {
            Err(format!("a symbolic link of {} bytes, and the longest has {MAX_TARGET}", target.len()))
        }
        target => Ok(target),
    }
}

fn device(member: &Member) -> Result<(u32, u32), String> {
    match member.device() {
        Some((major, minor)) if major <= MAX_DEVICE.0 && minor <= MAX_DEVICE.1 => {
            Ok((major as u32, minor as u32))
        }
        _ => Err("a device whose numbers are none of Linux".into()),
    }
}
