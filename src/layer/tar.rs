//! Tar headers, byte for byte as CPython's `tarfile` writes them in its PAX format (3.9 and later):
//! what nixpkgs' streamLayeredImage produces, so that images that move here keep their diff IDs.
//!
//! POSIX ustar blocks (pax(1), "ustar Interchange Format"); a field that does not fit, or is not
//! ASCII, is preceded by a PAX extended header. Knows nothing of files: entries come in, bytes go out.

use std::collections::BTreeMap;

use crate::spec::Owner;

/// Tar is made of blocks of this many bytes.
pub const BLOCK: u64 = 512;
/// An archive ends at a multiple of this many bytes (`tarfile.RECORDSIZE`).
pub const RECORD: u64 = 10240;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A regular file of so many bytes.
    File(u64),
    /// A directory; its name ends in `/`.
    Directory,
    /// A symbolic link to this target.
    Symlink(&'a [u8]),
    /// Another name of the member called so.
    Hardlink(&'a [u8]),
    /// A character device: major and minor number.
    Character(u32, u32),
    /// A block device: major and minor number.
    Block(u32, u32),
    /// A FIFO.
    Fifo,
}

impl Kind<'_> {
    fn size_and_target(&self) -> (u64, &[u8]) {
        match self {
            Kind::File(size) => (*size, b""),
            Kind::Symlink(target) | Kind::Hardlink(target) => (0, target),
            Kind::Directory | Kind::Character(..) | Kind::Block(..) | Kind::Fifo => (0, b""),
        }
    }

    /// The header's type flag (pax(1), "ustar Interchange Format").
    fn flag(&self) -> u8 {
        match self {
            Kind::File(_) => b'0',
            Kind::Hardlink(_) => b'1',
            Kind::Symlink(_) => b'2',
            Kind::Character(..) => b'3',
            Kind::Block(..) => b'4',
            Kind::Directory => b'5',
            Kind::Fifo => b'6',
        }
    }
}

/// Extended attributes, by name, as the bytes that they are.
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// One member of an archive.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The name as it stands in the archive.
    pub name: &'a [u8],
    /// Permission bits, at most 0o7777.
    pub mode: u32,
    /// File, directory or link.
    pub kind: Kind<'a>,
}

/// What all members of an archive share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Modification time, in seconds since 1970.
    pub mtime: i64,
    /// Owner; empty names are allowed.
    pub owner: Owner,
}

impl Shared {
    /// Appends the header of `entry` to `out`: one block, or three and more with a PAX header.
    pub fn header(&self, entry: &Entry, out: &mut Vec<u8>) {
        self.header_with(entry, &Xattrs::new(), out);
    }

    /// Appends the header of `entry`, which has these extended attributes: PAX records called
    /// `SCHILY.xattr.NAME`, as star, GNU tar, Go and containers/storage write them.
    pub fn header_with(&self, entry: &Entry, xattrs: &Xattrs, out: &mut Vec<u8>) {
        let (size, target) = entry.kind.size_and_target();
        let mut pax = Pax::default();
        for (name, value) in xattrs {
            pax.records.push(([b"SCHILY.xattr.", &name[..]].concat(), value.clone()));
        }
        pax.text("path", entry.name, 100);
        pax.text("linkpath", target, 100);
        pax.text("uname", self.owner.uname.as_bytes(), 32);
        pax.text("gname", self.owner.gname.as_bytes(), 32);
        let uid = pax.number("uid", self.owner.uid.into(), 8);
        let gid = pax.number("gid", self.owner.gid.into(), 8);
        let size = pax.number("size", size.into(), 12);
        let mtime = pax.number("mtime", self.mtime.into(), 12);
        pax.write(out);
        let mut block = self.block(entry);
        block.octal(108, 8, uid);
        block.octal(116, 8, gid);
        block.octal(124, 12, size);
        block.octal(136, 12, mtime);
        out.extend_from_slice(&block.finish());
    }

    /// The header of `entry` in one block whatever its size, for an archive whose members find their
    /// place before their size is known: 8 GiB and more are written in base 256 (a GNU and star
    /// extension that GNU tar, Go, libarchive and CPython read). Name and owner must fit.
    pub fn one_block(&self, entry: &Entry) -> [u8; BLOCK as usize] {
        let (size, _) = entry.kind.size_and_target();
        let mut block = self.block(entry);
        block.octal(108, 8, self.owner.uid.into());
        block.octal(116, 8, self.owner.gid.into());
        block.octal(136, 12, self.mtime.unsigned_abs());
        match size < 8u64.pow(11) {
            true => block.octal(124, 12, size),
            false => {
                block.0[124] = 0x80;
                block.0[128..136].copy_from_slice(&size.to_be_bytes());
            }
        }
        block.finish()
    }

    /// The block of `entry`, without its numbers but the mode.
    fn block(&self, entry: &Entry) -> Block {
        let (_, target) = entry.kind.size_and_target();
        let mut block = Block::new();
        block.text(0, 100, entry.name);
        block.octal(100, 8, (entry.mode & 0o7777).into());
        block.0[156] = entry.kind.flag();
        if let Kind::Character(major, minor) | Kind::Block(major, minor) = entry.kind {
            block.octal(329, 8, major.into());
            block.octal(337, 8, minor.into());
        }
        block.text(157, 100, target);
        block.text(265, 32, self.owner.uname.as_bytes());
        block.text(297, 32, self.owner.gname.as_bytes());
        block
    }
}

/// The zeros that follow `size` bytes of data, up to the next block.
pub fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK) - size
}

/// The zeros that end an archive of `size` bytes so far: two blocks, then up to the record's end.
pub fn end_of_archive(size: u64) -> u64 {
    (size + 2 * BLOCK).next_multiple_of(RECORD) - size
}

/// The records of a PAX extended header.
#[derive(Default)]
struct Pax {
    records: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Pax {
    /// Records a text that is not ASCII, or longer than `room` characters.
    fn text(&mut self, key: &'static str, value: &[u8], room: usize) {
        if !value.is_ascii() || value.len() > room {
            self.records.push((key.into(), value.to_vec()));
        }
    }

    /// Records a number that does not fit in a field of `width` bytes; what the field holds then is 0.
    fn number(&mut self, key: &'static str, value: i128, width: u32) -> u64 {
        match u64::try_from(value) {
            Ok(number) if number < 8u64.pow(width - 1) => number,
            _ => {
                self.records.push((key.into(), value.to_string().into_bytes()));
                0
            }
        }
    }

    /// Appends header and body, if there is any record.
    fn write(self, out: &mut Vec<u8>) {
        if self.records.is_empty() {
            return;
        }
        let mut body = Vec::new();
        // The values of extended attributes are bytes to every reader; of names it has to be said.
        let is_binary = |(key, value): &(Vec<u8>, Vec<u8>)| {
            !key.starts_with(b"SCHILY.xattr.") && std::str::from_utf8(value).is_err()
        };
        if self.records.iter().any(is_binary) {
            body.extend_from_slice(b"21 hdrcharset=BINARY\n");
        }
        for (key, value) in &self.records {
            let rest = key.len() + value.len() + 3; // a space, an equals sign, a newline
            let mut length = rest + 1;
            while length != rest + decimal_digits(length) {
                length = rest + decimal_digits(length);
            }
            body.extend_from_slice(format!("{length} ").as_bytes());
            body.extend_from_slice(key);
            body.push(b'=');
            body.extend_from_slice(value);
            body.push(b'\n');
        }
        let mut block = Block::new();
        block.text(0, 100, b"././@PaxHeader");
        for (at, width) in [(100, 8), (108, 8), (116, 8), (136, 12)] {
            block.octal(at, width, 0);
        }
        block.octal(124, 12, body.len() as u64);
        block.0[156] = b'x';
        let zeros = padding(body.len() as u64) as usize;
        out.extend_from_slice(&block.finish());
        out.extend_from_slice(&body);
        out.resize(out.len() + zeros, 0);
    }
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// A ustar header block in the making.
struct Block([u8; BLOCK as usize]);

impl Block {
    fn new() -> Block {
        Block([0; BLOCK as usize])
    }

    /// A text in a field of `width` bytes: every character that is not ASCII becomes a `?` (so does
    /// every byte of what is not UTF-8), and what does not fit is cut; the PAX header has it in full.
    fn text(&mut self, at: usize, width: usize, value: &[u8]) {
        let field = &mut self.0[at..at + width];
        if value.is_ascii() {
            let n = value.len().min(width);
            field[..n].copy_from_slice(&value[..n]);
            return;
        }
        let ascii = value.utf8_chunks().flat_map(|chunk| {
            let valid = chunk.valid().chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' });
            valid.chain(chunk.invalid().iter().map(|_| b'?'))
        });
        for (slot, byte) in field.iter_mut().zip(ascii) {
            *slot = byte;
        }
    }

    /// A number in octal, filled with zeros, then one NUL.
    fn octal(&mut self, at: usize, width: usize, mut value: u64) {
        for slot in self.0[at..at + width - 1].iter_mut().rev() {
            *slot = b'0' + (value & 7) as u8;
            value >>= 3;
        }
    }

    /// Magic, version and checksum; the block is complete.
    fn finish(mut self) -> [u8; BLOCK as usize] {
        self.0[257..265].copy_from_slice(b"ustar\x0000");
        self.0[148..156].fill(b' ');
        let sum: u64 = self.0.iter().map(|&byte| u64::from(byte)).sum();
        self.octal(148, 7, sum);
        self.0[154] = 0;
        self.0
    }
}
