//! The Nix database of a base image: any file at its path in a layer.

use std::path::Path;

use gantry::base;
use gantry::layer::Silent;
use gantry::root::database;

use super::made::{Memory, Tar, docker_archive};

pub fn run(data: &[u8]) {
    let Some(first) = written(data) else { return };
    // What Gantry writes, it reads as the same.
    assert!(written(&first).expect("a database of its own can be read") == first, "other bytes");
}

/// The database of an image on top of one that has the database `below`.
fn written(below: &[u8]) -> Option<Vec<u8>> {
    let mut layer = Tar::default();
    layer.file("nix/var/nix/db/db.sqlite", below);
    let archive = Memory::new(&docker_archive(&[&layer.0], &[&layer.0]));
    let image = base::open(&archive.path, None, &Silent).expect("the image can be opened");
    let root = base::filesystem::read(&image, &Silent).expect("the layer can be read");
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let directory = directory.expect("there is room for a directory");
    database::write(&[], Path::new(""), Some(&root), 1, directory.path(), &Silent).ok()?;
    Some(std::fs::read(directory.path().join("db.sqlite")).expect("the database is there"))
}
