//! Tar headers as Go's archive/tar writes them for containers/image (docker/internal/tarfile, writer.go):
//! ustar, owner 0:0 without names, time 0.

use crate::layer::tar::{BLOCK, padding};

/// The largest size that eleven octal digits say.
const LARGEST: u64 = 0o77777777777;

/// The header of a regular file: one block, or three when a PAX header must say the size.
pub(super) fn file(name: &str, size: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(BLOCK as usize);
    let mut told = size;
    if size > LARGEST {
        let record = record("size", &size.to_string());
        header.extend(block(&format!("PaxHeaders.0/{name}"), b'x', 0, record.len() as u64, "", false));
        header.extend(record.as_bytes());
        header.resize(header.len() + padding(record.len() as u64) as usize, 0);
        told = 0;
    }
    header.extend(block(name, b'0', 0o444, told, "", true));
    header
}

/// How long [`file()`] is.
pub(super) fn length(size: u64) -> u64 {
    if size > LARGEST { 3 * BLOCK } else { BLOCK }
}

/// The header of a symbolic link.
pub(super) fn link(name: &str, target: &str) -> Vec<u8> {
    block(name, b'2', 0, 0, target, true).to_vec()
}

/// A PAX record, `<length> <key>=<value>\n`, whose length counts itself (pax(1), "pax Extended Header").
fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

/// A ustar block. Go writes device numbers as octal zeros, but leaves them NUL in PAX headers.
fn block(name: &str, kind: u8, mode: u64, size: u64, target: &str, devices: bool) -> [u8; BLOCK as usize] {
    let mut block = [0; BLOCK as usize];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes()); // at most 81 bytes: names are made of digests
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000\x000000000\0");
    put(124, format!("{size:011o}").as_bytes());
    put(136, b"00000000000\0        ");
    put(156, &[kind]);
    put(157, target.as_bytes());
    put(257, b"ustar\x0000");
    if devices {
        put(329, b"0000000\x000000000");
    }
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn headers_of_all_sizes_are_those_of_the_oracle() {
        let name = format!("{}.tar", "0123456789abcdef".repeat(4));
        let eight_gib = 8u64 << 30;
        for size in [0, 1, 511, 512, 513, 0o7777777, eight_gib - 1, eight_gib, eight_gib + 512, 10u64.pow(12)]
        {
            let oracle = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/docker_archive.py");
            let output = Command::new("python3").args([oracle, "header", &name, &size.to_string()]).output();
            let expected = String::from_utf8(output.unwrap().stdout).unwrap();
            let found: String = file(&name, size).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, expected.trim(), "{size}");
            assert_eq!(length(size) * 2, found.len() as u64);
        }
    }

    #[test]
    fn a_record_counts_itself() {
        // archive/tar, strconv_test.go, TestFormatPAXRecord, and the reference archive of 8 GiB + 512.
        assert_eq!(record("k", "v"), "6 k=v\n");
        assert_eq!(record("path", "/etc/hosts"), "19 path=/etc/hosts\n");
        assert_eq!(record("key", &"a".repeat(91)).len(), 99);
        assert_eq!(record("key", &"a".repeat(92)).len(), 101);
        assert_eq!(record("size", "8589935104"), "19 size=8589935104\n");
    }
}
