//! Archives of images, compressed or not: any bytes.

use gantry::base::{self, BaseError};
use gantry::layer::Silent;
use gantry::spec::Platform;

use super::made::{Memory, flat};

pub fn run(data: &[u8]) {
    both(&Memory::new(data));
}

/// Opens an image in the ways there are, which must not contradict each other.
pub fn both(archive: &Memory) {
    let one = base::open(&archive.path, None, &Silent);
    let all = base::open_all(&archive.path, &Silent);
    let amd64 = Platform { os: "linux".into(), architecture: "amd64".into(), variant: None };
    let fitting = base::open(&archive.path, Some(&amd64), &Silent);
    if let Ok(image) = &one {
        let all = all.expect("an image that can be opened is one of all");
        let config = image.config_document.digest;
        assert!(all.iter().any(|named| named.image.config_document.digest == config));
        // The only entry of an archive is taken, whatever it is for; that of an index in it has to fit.
        match fitting {
            Ok(fitting) => assert_eq!(fitting.config_document.digest, config),
            Err(error) => assert!(matches!(error, BaseError::Platform { .. }), "{error}"),
        }
        assert_eq!(image.layers.len(), image.config.rootfs.diff_ids.len());
        let _ = flat(image);
    }
}
