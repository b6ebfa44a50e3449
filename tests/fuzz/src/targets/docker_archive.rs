//! Configurations of images that are pulled into a docker-archive: JSON that is handed on as it is.

use std::io;
use std::path::Path;

use gantry::base;
use gantry::digest::Digest;
use gantry::image::{Descriptor, Manifest, media};
use gantry::layer::Silent;
use gantry::output::docker_archive::{DockerArchive, DockerArchiveError, Limits};
use gantry::output::{Place, docker_archive::Destination};

/// A tar without members.
const EMPTY: [u8; 1024] = [0; 1024];

pub fn run(data: &[u8]) {
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let directory = directory.expect("there is room for a directory");
    let path = directory.path().join("image.tar");
    let layers = match write(data, 0, &path) {
        Ok(()) => 0,
        Err(DockerArchiveError::DiffIdCount { diff_ids: count @ 1..=4, .. }) => {
            if write(data, count, &path).is_err() {
                return;
            }
            count
        }
        Err(_) => return,
    };
    let first = std::fs::read(&path).expect("the archive is there");
    std::fs::remove_file(&path).expect("the archive is there");
    write(data, layers, &path).expect("it was written before");
    assert!(first == std::fs::read(&path).expect("the archive is there"), "not the same bytes again");
    if let Ok(image) = base::open(&path, None, &Silent) {
        assert_eq!(image.config_document.bytes, data);
        assert_eq!(image.layers.len(), layers);
        assert_eq!(image.reference.as_deref(), Some("docker.io/library/app:1"));
    }
}

fn write(config: &[u8], layers: usize, path: &Path) -> Result<(), DockerArchiveError> {
    let layer = Descriptor::new(media::LAYER, Digest::of(&EMPTY), EMPTY.len() as u64);
    let manifest = Manifest {
        schema_version: 2,
        media_type: None,
        config: Descriptor::new(media::CONFIG, Digest::of(config), config.len() as u64),
        layers: vec![layer; layers],
        annotations: Default::default(),
    };
    let destination: Destination = "app:1".parse().expect("a name");
    let open = |_: &Descriptor| -> io::Result<Box<dyn gantry::output::docker_archive::ReadSeek + Send>> {
        Ok(Box::new(io::Cursor::new(EMPTY)))
    };
    let archive = DockerArchive { manifest: &manifest, config, destination: &destination, open: &open };
    archive.write(path, Place::Direct, Limits { threads: 1, size: 1 << 20 }, &Silent)
}
