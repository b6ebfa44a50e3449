//! What targets make of their inputs: files in memory, tars, docker-archives.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use gantry::digest::Digest;
use gantry::layer::Silent;
use gantry::{base, output};
use rustix::fs::{MemfdFlags, memfd_create};

/// Bytes of a tar's header.
pub const HEADER: usize = 512;

/// A file in memory, which can be opened by a path.
pub struct Memory {
    _file: File,
    pub path: PathBuf,
}

impl Memory {
    pub fn new(bytes: &[u8]) -> Memory {
        let mut file = File::from(memfd_create("fuzz", MemfdFlags::CLOEXEC).expect("there is memory"));
        file.write_all(bytes).expect("there is memory");
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        Memory { _file: file, path }
    }
}

/// A tar of files.
#[derive(Default)]
pub struct Tar(pub Vec<u8>);

impl Tar {
    pub fn file(&mut self, name: &str, bytes: &[u8]) {
        let mut header = [0; HEADER];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[108..115].copy_from_slice(b"0000000");
        header[116..123].copy_from_slice(b"0000000");
        header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000000000");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        write_checksum(&mut header);
        self.0.extend(header);
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(HEADER), 0);
    }
}

/// Writes a header's checksum (pax(1), "ustar Interchange Format").
pub fn write_checksum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A docker-archive of an image with these layers; the diff IDs are those of `tars`.
pub fn docker_archive(blobs: &[&[u8]], tars: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<String> = tars.iter().map(|tar| Digest::of(tar).to_string()).collect();
    let names: Vec<String> = (0..blobs.len()).map(|number| format!("{number}.tar")).collect();
    let rootfs = serde_json::json!({ "type": "layers", "diff_ids": diff_ids });
    let config = serde_json::json!({ "architecture": "amd64", "os": "linux", "rootfs": rootfs });
    let manifest = serde_json::json!([{ "Config": "config.json", "Layers": names }]);
    let mut tar = Tar::default();
    tar.file("config.json", config.to_string().as_bytes());
    tar.file("manifest.json", manifest.to_string().as_bytes());
    for (name, blob) in names.iter().zip(blobs) {
        tar.file(name, blob);
    }
    tar.0
}

/// The root file system of the image in `archive`, as one tar: what `gantry export` writes.
pub fn exported(archive: &Path) -> Result<Vec<u8>, String> {
    let image = base::open(archive, None, &Silent).map_err(|e| e.to_string())?;
    flat(&image)
}

/// The root file system of an image as one tar.
pub fn flat(image: &base::Opened) -> Result<Vec<u8>, String> {
    let root = base::filesystem::read(image, &Silent).map_err(|e| e.to_string())?;
    let mut tar = Vec::new();
    output::write_flat(&root, &mut tar, Path::new("out"), &Silent).map_err(|e| e.to_string())?;
    Ok(tar)
}
