//! `struct stat` and `struct statx` in another program's memory.

use super::machine::STAT;
use super::records::{Device, Identity, Record};

/// What decides about a file here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStatus {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
    /// `st_mode`.
    pub mode: u32,
    /// `st_nlink`.
    pub links: u64,
}

/// Bytes of `struct statx`.
pub const STATX_SIZE: usize = 256;

/// What this kernel calls somebody of another namespace (`/proc/sys/kernel/overflowuid`).
const NOBODY: u32 = 65534;

impl FileStatus {
    /// Reads a `struct stat`.
    pub fn of_stat(stat: &[u8]) -> FileStatus {
        let links = match STAT.links {
            (at, 8) => number64(stat, at),
            (at, _) => number32(stat, at).into(),
        };
        FileStatus {
            device: number64(stat, 0),
            inode: number64(stat, 8),
            mode: number32(stat, STAT.mode),
            links,
        }
    }

    /// Reads a `struct statx` (linux/stat.h).
    pub fn of_statx(statx: &[u8]) -> FileStatus {
        FileStatus {
            device: libc::makedev(number32(statx, 136), number32(statx, 140)),
            inode: number64(statx, 32),
            mode: u16::from_ne_bytes([statx[28], statx[29]]).into(),
            links: number32(statx, 16).into(),
        }
    }

    /// Which file this is.
    pub fn identity(&self) -> Identity {
        Identity { device: self.device, inode: self.inode }
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }
}

/// Writes what `record` says into a `struct stat`; whoever is nobody is root.
pub fn show_in_stat(stat: &mut [u8], record: Option<&Record>) {
    let (uid, gid) = (number32(stat, STAT.uid), number32(stat, STAT.gid));
    put32(stat, STAT.uid, record.and_then(|r| r.uid).unwrap_or(root(uid)));
    put32(stat, STAT.gid, record.and_then(|r| r.gid).unwrap_or(root(gid)));
    let Some(record) = record else { return };
    let (mode, device) = shown(number32(stat, STAT.mode), record);
    put32(stat, STAT.mode, mode);
    if let Some((major, minor)) = device {
        stat[STAT.rdev..STAT.rdev + 8].copy_from_slice(&libc::makedev(major, minor).to_ne_bytes());
    }
}

/// Writes what `record` says into a `struct statx`; whoever is nobody is root.
pub fn show_in_statx(statx: &mut [u8], record: Option<&Record>) {
    let (uid, gid) = (number32(statx, 20), number32(statx, 24));
    put32(statx, 20, record.and_then(|r| r.uid).unwrap_or(root(uid)));
    put32(statx, 24, record.and_then(|r| r.gid).unwrap_or(root(gid)));
    let Some(record) = record else { return };
    let (mode, device) = shown(u16::from_ne_bytes([statx[28], statx[29]]).into(), record);
    statx[28..30].copy_from_slice(&(mode as u16).to_ne_bytes());
    if let Some((major, minor)) = device {
        put32(statx, 128, major);
        put32(statx, 132, minor);
    }
}

/// Mode and device number of a file of this mode.
fn shown(mode: u32, record: &Record) -> (u32, Option<(u32, u32)>) {
    let mode = mode | record.special;
    match record.device {
        None => (mode, None),
        Some(Device::Character(major, minor)) => (mode & !libc::S_IFMT | libc::S_IFCHR, Some((major, minor))),
        Some(Device::Block(major, minor)) => (mode & !libc::S_IFMT | libc::S_IFBLK, Some((major, minor))),
    }
}

fn root(id: u32) -> u32 {
    if id == NOBODY { 0 } else { id }
}

fn number32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

fn number64(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

fn put32(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..at + 4].copy_from_slice(&number.to_ne_bytes());
}
