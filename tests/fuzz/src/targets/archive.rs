//! Archives of images, compressed or not: any bytes.

use gantry::base;
use gantry::spec::Platform;

use super::made::{Memory, flat};

pub fn run(data: &[u8]) {
    both(&Memory::new(data));
}

/// Opens an image in the ways there are, which must not contradict each other.
pub fn both(archive: &Memory) {
    let one = base::open(&archive.path, None);
    let all = base::open_all(&archive.path);
    let amd64 = Platform { os: "linux".into(), architecture: "amd64".into(), variant: None };
    let fitting = base::open(&archive.path, Some(&amd64));
    if let Ok(image) = &one {
        let all = all.expect("an image that can be opened is one of all");
        let config = image.config_document.digest;
        assert!(all.iter().any(|named| named.image.config_document.digest == config));
        let fitting = fitting.expect("the only image is taken, whatever it is for");
        assert_eq!(fitting.config_document.digest, config);
        assert_eq!(image.layers.len(), image.config.rootfs.diff_ids.len());
        let _ = flat(image);
    }
}
