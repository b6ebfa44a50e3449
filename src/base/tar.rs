//! Reading tars strictly: ustar headers with PAX and GNU long names (pax(1); GNU tar manual, "Basic Tar
//! Format"). Where a PAX header and the member's own say different things, PAX's word counts (POSIX); what
//! programs read in different ways is refused.
//!
//! Headers come out, and where each member's data lies; names and data are whoever's that reads them.

use std::collections::BTreeMap;

use super::BaseError;
use crate::layer::tar::{BLOCK, padding};

/// Extended headers are names, numbers and attributes: a member that has more of them is refused.
const MAX_EXTENSION: u64 = 1 << 20;

/// Where a tar's bytes come from, one after the other.
pub(super) trait Source {
    /// Fills `buffer`, and says how far: not to its end at the tar's end alone.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, BaseError>;
    /// Passes over so many bytes; false if there are fewer.
    fn skip(&mut self, count: u64) -> Result<bool, BaseError>;
    /// The error that names this tar.
    fn wrong(&self, at: u64, what: &str) -> BaseError;
}

/// The members of a tar.
pub(super) struct Members<S> {
    source: S,
    at: u64,
    /// Data and padding of the member that was returned last: not read by anybody.
    unread: (u64, u64),
}

/// One member.
pub(super) struct Member {
    /// Where its header is.
    pub(super) at: u64,
    /// Where its data is.
    pub(super) data: u64,
    /// How much data it has.
    pub(super) size: u64,
    block: [u8; BLOCK as usize],
    extended: Extended,
}

/// The records of the extended headers that precede a member; GNU's long names are `path` and `linkpath`.
#[derive(Default)]
struct Extended(BTreeMap<Vec<u8>, Vec<u8>>);

impl<S: Source> Members<S> {
    pub(super) fn new(source: S) -> Members<S> {
        Members { source, at: 0, unread: (0, 0) }
    }

    /// The next member, or none at the tar's end: zeros, or nothing at all.
    pub(super) fn next(&mut self) -> Result<Option<Member>, BaseError> {
        self.pass_over()?;
        let start = self.at;
        let mut extended = Extended::default();
        loop {
            let at = self.at;
            let mut block = [0; BLOCK as usize];
            let filled = self.source.fill(&mut block)?;
            let is_zero = block.iter().all(|&byte| byte == 0);
            if is_zero && !extended.0.is_empty() {
                return Err(self.source.wrong(at, "it ends after an extended header"));
            }
            if is_zero {
                return Ok(None);
            }
            if filled < block.len() {
                return Err(self.source.wrong(at, "it ends within a header"));
            }
            if !checksum_is_right(&block) {
                return Err(self.source.wrong(at, "the header's checksum is wrong"));
            }
            self.at += BLOCK;
            let field = number(&block[124..136]);
            let field = field.ok_or_else(|| self.source.wrong(at, "the size is no number"))?;
            match block[156] {
                kind @ (b'x' | b'g' | b'L' | b'K') => {
                    if field > MAX_EXTENSION - (at - start).min(MAX_EXTENSION) {
                        return Err(self.source.wrong(at, &format!("an extended header of {field} bytes")));
                    }
                    let mut body = vec![0; field as usize];
                    if self.source.fill(&mut body)? < body.len() {
                        return Err(self.past_the_end(at, field));
                    }
                    self.unread = (0, padding(field));
                    self.at += field;
                    self.pass_over()?;
                    extended.read(kind, &body).map_err(|what| self.source.wrong(at, what))?;
                }
                b'S' | b'M' => return Err(self.source.wrong(at, "a sparse or multi-volume member (GNU)")),
                kind => {
                    let size = match kind {
                        // Links, devices, directories and FIFOs have no data, whatever their size says.
                        b'1'..=b'6' => 0,
                        _ => extended.size().unwrap_or(field),
                    };
                    self.unread = (size, padding(size.min(u64::MAX - BLOCK)));
                    return Ok(Some(Member { at, data: self.at, size, block, extended }));
                }
            }
        }
    }

    /// Ends the reading: what follows the tar's end is the source's.
    pub(super) fn into_source(self) -> S {
        self.source
    }

    /// The error that names this tar, about the member at `at`.
    pub(super) fn wrong(&self, at: u64, what: &str) -> BaseError {
        self.source.wrong(at, what)
    }

    /// Passes over data that nobody read. The padding may be missing, and then the tar ends there.
    fn pass_over(&mut self) -> Result<(), BaseError> {
        let (data, padding) = std::mem::take(&mut self.unread);
        if !self.source.skip(data)? {
            return Err(self.past_the_end(self.at - BLOCK, data));
        }
        self.source.skip(padding)?;
        self.at += data + padding;
        Ok(())
    }

    fn past_the_end(&self, at: u64, size: u64) -> BaseError {
        self.source.wrong(at, &format!("a member of {size} bytes leads past the end"))
    }
}

impl Member {
    /// The header's type flag.
    pub(super) fn kind(&self) -> u8 {
        self.block[156]
    }

    /// The name.
    pub(super) fn name(&self) -> Vec<u8> {
        let (name, prefix) = (until_nul(&self.block[..100]), until_nul(&self.block[345..500]));
        match self.extended.get("path") {
            Some(path) => path.to_vec(),
            None if self.block[257..263] == *b"ustar\0" && !prefix.is_empty() => {
                [prefix, b"/", name].concat()
            }
            None => name.to_vec(),
        }
    }

    /// Where a link leads.
    pub(super) fn link(&self) -> Vec<u8> {
        self.extended.get("linkpath").unwrap_or_else(|| until_nul(&self.block[157..257])).to_vec()
    }

    /// The permission bits.
    pub(super) fn mode(&self) -> Option<u32> {
        number(&self.block[100..108]).map(|mode| (mode & 0o7777) as u32)
    }

    /// The user's number.
    pub(super) fn uid(&self) -> Option<u64> {
        self.number("uid", &self.block[108..116])
    }

    /// The group's number.
    pub(super) fn gid(&self) -> Option<u64> {
        self.number("gid", &self.block[116..124])
    }

    /// The user's name.
    pub(super) fn uname(&self) -> &[u8] {
        self.extended.get("uname").unwrap_or_else(|| until_nul(&self.block[265..297]))
    }

    /// The group's name.
    pub(super) fn gname(&self) -> &[u8] {
        self.extended.get("gname").unwrap_or_else(|| until_nul(&self.block[297..329]))
    }

    /// The modification time, in whole seconds since 1970, rounded down.
    pub(super) fn mtime(&self) -> Option<i64> {
        self.extended.get("mtime").map_or_else(|| signed(&self.block[136..148]), seconds)
    }

    /// A device's major and minor number.
    pub(super) fn device(&self) -> Option<(u64, u64)> {
        Some((number(&self.block[329..337])?, number(&self.block[337..345])?))
    }

    /// The extended attributes: what star, GNU tar, Go and containers/storage call `SCHILY.xattr.NAME`.
    pub(super) fn xattrs(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let records = self.extended.0.iter();
        let xattrs = records.filter_map(|(key, value)| Some((key.strip_prefix(b"SCHILY.xattr.")?, value)));
        xattrs.map(|(name, value)| (name.to_vec(), value.clone())).collect()
    }

    fn number(&self, key: &str, field: &[u8]) -> Option<u64> {
        self.extended.get(key).map_or_else(|| number(field), decimal)
    }
}

impl Extended {
    fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key.as_bytes()).map(Vec::as_slice)
    }

    fn size(&self) -> Option<u64> {
        self.get("size").and_then(decimal)
    }

    /// Takes in the body of an extended header of this kind.
    fn read(&mut self, kind: u8, body: &[u8]) -> Result<(), &'static str> {
        match kind {
            b'L' => drop(self.0.insert(b"path".into(), until_nul(body).to_vec())),
            b'K' => drop(self.0.insert(b"linkpath".into(), until_nul(body).to_vec())),
            _ => {
                for (key, value) in records(body).ok_or("a malformed PAX header")? {
                    self.record(key, value, kind == b'g')?;
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8], global: bool) -> Result<(), &'static str> {
        match key {
            _ if key.starts_with(b"GNU.sparse") => return Err("a sparse member (GNU)"),
            b"path" | b"linkpath" | b"size" if global => {
                return Err("a global PAX header that names or measures every member");
            }
            // As in Go, which everything that unpacks images is written in.
            _ if global => return Ok(()),
            b"path" | b"linkpath" | b"uname" | b"gname" if value.contains(&0) => {
                return Err("a name with a NUL");
            }
            // CPython takes no value for 0 here, others for the header's own.
            b"size" if decimal(value).is_none() => return Err("a PAX size that is no number"),
            // No value: the header's own counts (pax(1), "pax Extended Header Keywords").
            _ if value.is_empty() && !key.starts_with(b"SCHILY.xattr.") => {
                self.0.remove(key);
                return Ok(());
            }
            _ => {}
        }
        self.0.insert(key.into(), value.into());
        Ok(())
    }
}

/// The sum of a header's bytes, the checksum itself counted as spaces, is what it says.
pub(super) fn checksum_is_right(block: &[u8]) -> bool {
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    let own: u64 = block[148..156].iter().map(|&byte| u64::from(byte)).sum();
    number(&block[148..156]) == Some(sum - own + 8 * u64::from(b' '))
}

/// A number in octal, ended by NUL or space, or in base 256 (GNU).
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let (head, tail) = field.split_at(field.len().checked_sub(8)?);
        let tail = tail.iter().enumerate();
        let first = if head.is_empty() { 0x7f } else { 0xff };
        let zeros = head.iter().enumerate().all(|(i, &byte)| byte == if i == 0 { 0x80 } else { 0 });
        let value = tail
            .fold(0, |value, (i, &byte)| value << 8 | u64::from(if i == 0 { byte & first } else { byte }));
        // The second bit is the sign.
        return (zeros && field[0] & 0x40 == 0).then_some(value);
    }
    let text = until_nul(field).trim_ascii();
    text.iter().try_fold(0u64, |value, &byte| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// A number that may be negative, which only base 256 can say.
fn signed(field: &[u8]) -> Option<i64> {
    if field[0] & 0xc0 != 0xc0 {
        return i64::try_from(number(field)?).ok();
    }
    let (head, tail) = field.split_at(field.len().checked_sub(8)?);
    let value = i64::from_be_bytes(tail.try_into().ok()?);
    (value < 0 && head.iter().all(|&byte| byte == 0xff)).then_some(value)
}

/// A number in a PAX record.
fn decimal(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok().filter(|_| value.iter().all(u8::is_ascii_digit))?;
    text.parse().ok()
}

/// A time in a PAX record, `-1.5`, rounded down.
fn seconds(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match whole.strip_prefix('-') {
        Some(digits) => {
            let up = fraction.bytes().any(|byte| byte != b'0');
            i64::try_from(decimal(digits.as_bytes())?).ok()?.checked_neg()?.checked_sub(up.into())
        }
        None => i64::try_from(decimal(whole.as_bytes())?).ok(),
    }
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The records of a PAX header: `<length> <key>=<value>\n`.
fn records(mut body: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut records = Vec::new();
    while !body.is_empty() {
        let space = body.iter().position(|&byte| byte == b' ')?;
        let length = usize::try_from(decimal(&body[..space])?).ok()?;
        let record = body.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        if key.is_empty() || key.contains(&0) {
            return None;
        }
        records.push((key, value));
        body = &body[length..];
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b" 644 \0\0\0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"\x80\0\0\0\0\x20\0\0"), Some(1 << 21));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(8 << 30));
        for wrong in [
            &b"0000648\0"[..],
            b"-000001\0",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x80\x01\0\0\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(number(wrong), None, "{wrong:?}");
        }
        assert_eq!(signed(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"), Some(-2));
        assert_eq!(signed(b"00000000017\0"), Some(15));
    }

    #[test]
    fn times_are_rounded_down() {
        let times = [
            ("0", 0),
            ("1.9", 1),
            ("-1.5", -2),
            ("-0.5", -1),
            ("-3", -3),
            ("1700000000.123456789", 1_700_000_000),
        ];
        for (text, expected) in times {
            assert_eq!(seconds(text.as_bytes()), Some(expected), "{text}");
        }
        for wrong in ["", "-", "+1", "1e3", "1.x", " 1", "99999999999999999999", "--1"] {
            assert_eq!(seconds(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn records_that_lie_about_their_length_are_none() {
        assert_eq!(records(b"6 a=b\n"), Some(vec![(&b"a"[..], &b"b"[..])]));
        for wrong in [
            &b"7 a=b\n"[..],
            b"5 a=b\n",
            b"6 a b\n",
            b"+6 a=b\n",
            b"0 a=b\n",
            b"1 a=b\n",
            b"5 =b\n",
            b"99999999999999999999 a=b\n",
        ] {
            assert_eq!(records(wrong), None, "{wrong:?}");
        }
    }
}
