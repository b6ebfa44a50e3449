//! What a program's calls do to the records, and what the records do to its answers.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::calls::Deed;
use super::machine::STAT;
use super::records::{Device, Identity, Record, Records};
use super::status::{FileStatus, STATX_SIZE, show_in_stat, show_in_statx};
use crate::kernel::{self, Tid};

/// The longest name of an extended attribute (`XATTR_NAME_MAX`), and the NUL.
const XATTR_NAME: usize = 256;
/// The longest value of one (`XATTR_SIZE_MAX`).
const XATTR_VALUE: u64 = 64 << 10;

/// Does `deed` to the file of this status; returns the call's result, or none if the kernel is to be asked
/// after all. `owner` is who does it.
pub fn perform(
    tid: Tid,
    deed: &Deed,
    status: &FileStatus,
    records: &mut Records,
    owner: (u32, u32),
) -> io::Result<Option<i64>> {
    let identity = Identity { device: status.device, inode: status.inode };
    let given = |id: u32| (id != u32::MAX).then_some(id);
    let error = |number: i32| Ok(Some(-i64::from(number)));
    if status.links == 0 {
        records.note_nameless(identity);
    }
    match *deed {
        Deed::Own(uid, gid) => {
            records.change_owner(identity, given(uid), given(gid), status.is_directory());
        }
        Deed::Special(special) => {
            if special != 0 || records.get(identity).is_some() {
                records.entry(identity).special = special;
            }
        }
        Deed::Device(kind, number) => {
            let (major, minor) = (libc::major(number), libc::minor(number));
            records.made(identity, owner);
            records.entry(identity).device = Some(match kind {
                libc::S_IFCHR => Device::Character(major, minor),
                _ => Device::Block(major, minor),
            });
        }
        Deed::Made => records.made(identity, owner),
        Deed::SetXattr(name, value, size, flags) => {
            let name = match read_name(tid, name) {
                Ok(name) => name,
                Err(number) => return error(number),
            };
            if size > XATTR_VALUE {
                return error(libc::E2BIG);
            }
            if let Err(number) = allowed_name(&name, status) {
                return error(number);
            }
            let mut bytes = vec![0; size as usize];
            if size > 0 && kernel::read_memory(tid, value, &mut bytes).ok() != Some(bytes.len()) {
                return error(libc::EFAULT);
            }
            let present = records.get(identity).is_some_and(|record| record.xattrs.contains_key(&name));
            match flags as i32 {
                libc::XATTR_CREATE if present => return error(libc::EEXIST),
                libc::XATTR_REPLACE if !present => return error(libc::ENODATA),
                _ => {}
            }
            records.xattrs = true;
            records.entry(identity).xattrs.insert(name, bytes);
        }
        Deed::GetXattr(name, value, room) => {
            let name = match read_name(tid, name) {
                Ok(name) => name,
                Err(number) => return error(number),
            };
            let Some(recorded) = records.get(identity).and_then(|record| record.xattrs.get(&name)) else {
                return Ok(None);
            };
            return Ok(Some(give(tid, value, room, recorded)));
        }
        Deed::ListXattr(list, room) => {
            let names = records.get(identity).map(|record| record.xattrs.keys()).into_iter().flatten();
            let names: Vec<u8> = names.flat_map(|name| [&name[..], b"\0"].concat()).collect();
            return Ok(if names.is_empty() { None } else { Some(give(tid, list, room, &names)) });
        }
        Deed::RemoveXattr(name) => {
            let name = match read_name(tid, name) {
                Ok(name) => name,
                Err(number) => return error(number),
            };
            return match records.get(identity).is_some_and(|record| record.xattrs.contains_key(&name)) {
                true => {
                    records.entry(identity).xattrs.remove(&name);
                    Ok(Some(0))
                }
                false => error(libc::ENODATA),
            };
        }
    }
    Ok(Some(0))
}

/// Writes what is recorded into a `struct stat` or `struct statx` that the kernel has filled in.
pub fn show(tid: Tid, address: u64, extended: bool, records: &Records) -> io::Result<()> {
    let mut bytes = vec![0; if extended { STATX_SIZE } else { STAT.size }];
    // Another thread may have taken the memory away meanwhile.
    if kernel::read_memory(tid, address, &mut bytes).ok() != Some(bytes.len()) {
        return Ok(());
    }
    let status = if extended { FileStatus::of_statx(&bytes) } else { FileStatus::of_stat(&bytes) };
    let record: Option<&Record> = records.get(Identity { device: status.device, inode: status.inode });
    let before = bytes.clone();
    match extended {
        true => show_in_statx(&mut bytes, record),
        false => show_in_stat(&mut bytes, record),
    }
    if bytes != before {
        return kernel::write_memory(tid, address, &bytes).or_else(|e| match e.raw_os_error() {
            Some(libc::EFAULT) => Ok(()),
            _ => Err(e),
        });
    }
    Ok(())
}

/// Which file a thread has open under this number.
pub fn identity_of_open(tid: Tid, descriptor: i64) -> Option<Identity> {
    let metadata = fs::metadata(format!("/proc/{tid}/fd/{descriptor}")).ok()?;
    Some(Identity { device: metadata.dev(), inode: metadata.ino() })
}

/// The process that started a process, or whose thread a thread is.
pub fn parent(tid: Tid) -> Option<Tid> {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let number = |key| status.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<Tid>().ok());
    match number("Tgid:") {
        Some(process) if process != tid => Some(process),
        _ => number("PPid:"),
    }
}

/// Gives a program `bytes`, as the calls for extended attributes do: the length alone if there is no room
/// asked for.
fn give(tid: Tid, address: u64, room: u64, bytes: &[u8]) -> i64 {
    match room {
        0 => bytes.len() as i64,
        room if room < bytes.len() as u64 => -i64::from(libc::ERANGE),
        _ => match kernel::write_memory(tid, address, bytes) {
            Ok(()) => bytes.len() as i64,
            Err(_) => -i64::from(libc::EFAULT),
        },
    }
}

/// Whether a file may have an extended attribute of this name (xattr(7)), or an error's number.
///
/// ACLs (`system.posix_acl_access`) are not supported, as on many file systems: programs that copy them
/// (install, cp -p) give every file one that says no more than its mode, which unpacked later on top of another
/// mode would undo that. Told so, they set the mode.
fn allowed_name(name: &[u8], status: &FileStatus) -> Result<(), i32> {
    let namespaces: [&[u8]; 3] = [b"security.", b"trusted.", b"user."];
    let Some(namespace) = namespaces.into_iter().find(|namespace| name.starts_with(namespace)) else {
        return Err(libc::EOPNOTSUPP);
    };
    match namespace {
        _ if name.len() == namespace.len() => Err(libc::EINVAL),
        b"user." if !status.is_directory() && !status.is_file() => Err(libc::EPERM),
        _ => Ok(()),
    }
}

/// The name of an extended attribute, or an error's number.
fn read_name(tid: Tid, address: u64) -> Result<Vec<u8>, i32> {
    let mut bytes = vec![0; XATTR_NAME];
    let mut count = kernel::read_memory(tid, address, &mut bytes).unwrap_or(0);
    if count == 0 {
        // It may end at a page's end: what is there is read up to that.
        let rest = 4096 - (address % 4096) as usize;
        bytes.truncate(rest.min(XATTR_NAME));
        count = kernel::read_memory(tid, address, &mut bytes).map_err(|_| libc::EFAULT)?;
    }
    match bytes[..count].iter().position(|&byte| byte == 0) {
        Some(0) | None => Err(libc::ERANGE),
        Some(end) => Ok(bytes[..end].to_vec()),
    }
}
