//! What a file is said to be, where the file system cannot hold it: owners, set-user-ID bits, devices,
//! extended attributes. Kept by inode, so that renaming and linking change nothing.

use std::collections::{HashMap, HashSet};

use crate::layer::tar::Xattrs;

/// The bits that a build may not set: set-user-ID and set-group-ID.
pub const SPECIAL: u32 = 0o6000;

/// A file, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

/// A device: what a file that stands for one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// Major and minor number of a character device.
    Character(u32, u32),
    /// Major and minor number of a block device.
    Block(u32, u32),
}

/// What is said of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Its owner, if somebody said so.
    pub uid: Option<u32>,
    /// Its group, if somebody said so.
    pub gid: Option<u32>,
    /// Its set-user-ID and set-group-ID bits.
    pub special: u32,
    /// What device it stands for.
    pub device: Option<Device>,
    /// Its extended attributes.
    pub xattrs: Xattrs,
}

/// What is said of all files.
#[derive(Debug, Default)]
pub struct Records {
    by_identity: HashMap<Identity, Record>,
    /// Whether any of them has had an extended attribute.
    pub(super) xattrs: bool,
    /// Files that have no name any more but are open, of which something has been said since: nobody tells
    /// when such a file is gone, so whatever is new is compared with them.
    nameless: HashSet<Identity>,
}

impl Records {
    /// What is said of a file, if anything is.
    pub fn get(&self, identity: Identity) -> Option<&Record> {
        self.by_identity.get(&identity)
    }

    /// What is said of a file, to be changed.
    pub fn entry(&mut self, identity: Identity) -> &mut Record {
        self.by_identity.entry(identity).or_default()
    }

    /// Says `record` of a file.
    pub fn insert(&mut self, identity: Identity, record: Record) {
        self.xattrs |= !record.xattrs.is_empty();
        match record == Record::default() {
            true => self.by_identity.remove(&identity),
            false => self.by_identity.insert(identity, record),
        };
    }

    /// A file is gone, and another one may get its number.
    pub fn forget(&mut self, identity: Identity) {
        self.by_identity.remove(&identity);
        self.nameless.remove(&identity);
    }

    /// Forgets what is said of a file, and returns it.
    pub(super) fn take(&mut self, identity: Identity) -> Option<Record> {
        self.by_identity.remove(&identity)
    }

    /// Says again what was taken, unless something else is said by now.
    pub(super) fn put_back(&mut self, identity: Identity, record: Record) {
        self.by_identity.entry(identity).or_insert(record);
    }

    /// Something is said of a file without a name.
    pub(super) fn note_nameless(&mut self, identity: Identity) {
        self.nameless.insert(identity);
    }

    /// Whether there are such files.
    pub(super) fn are_nameless(&self) -> bool {
        !self.nameless.is_empty()
    }

    /// A file is new, made by `owner`.
    pub(super) fn made(&mut self, identity: Identity, owner: (u32, u32)) {
        if self.nameless.contains(&identity) {
            self.forget(identity);
        }
        if owner != (0, 0) {
            let record = self.entry(identity);
            (record.uid, record.gid) = (Some(owner.0), Some(owner.1));
        }
    }

    /// Whether nothing is said of any file.
    pub fn is_empty(&self) -> bool {
        self.by_identity.is_empty()
    }

    /// A file gets other owners, as chown(2) does it: what is `None` stays, and a program that is not a
    /// directory loses its set-user-ID bits and capabilities.
    pub(super) fn change_owner(
        &mut self,
        identity: Identity,
        uid: Option<u32>,
        gid: Option<u32>,
        is_directory: bool,
    ) {
        let record = self.entry(identity);
        record.uid = uid.or(record.uid);
        record.gid = gid.or(record.gid);
        if !is_directory {
            record.special = 0;
            record.xattrs.remove(&b"security.capability"[..]);
        }
    }
}
