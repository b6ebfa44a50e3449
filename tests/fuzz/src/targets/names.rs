//! Names of images: in a registry, in an archive, of the arguments, and in annotations.

use gantry::image::{familiar_to_docker, short_for_docker};
use gantry::output::docker_archive::Destination;
use gantry::registry::Reference;
use gantry::spec::ImageSpec;
use serde_json::json;

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    short_for_docker(text);
    familiar_to_docker(text);

    let reference = text.parse::<Reference>().ok();
    if let Some(read) = &reference {
        let shown = read.to_string();
        assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown:?}");
        let name = format!("{}/{}", read.registry(), read.repository());
        assert!(!name.contains("..") && !name.contains("//"), "{name:?}");
        assert_eq!(shown.parse::<Reference>().ok().as_ref(), Some(read), "{shown}");
    }

    let destination = text.parse::<Destination>().ok();
    if let Some(read) = &destination {
        assert_eq!(read.to_string().parse::<Destination>().ok().as_ref(), Some(read), "{read}");
    }
    // Names in archives are skopeo's, for which hosts in upper case and Docker Hub's other name are other hosts.
    let same_host = |destination: &&Destination| {
        let name = destination.name();
        name.to_ascii_lowercase() == name && !name.starts_with("registry-1.docker.io/")
    };
    if let (Some(reference), Some(destination)) = (&reference, destination.as_ref().filter(same_host)) {
        let name = format!("{}/{}", reference.registry(), reference.repository());
        assert_eq!(name, destination.name());
        assert_eq!(reference.tag().unwrap_or("latest"), destination.tag());
    }

    if let Ok(spec) = ImageSpec::from_json(&json!({ "name": text, "tag": "1" })) {
        let named = format!("{}:1", spec.name);
        let reference = named.parse::<Reference>();
        assert!(reference.is_ok(), "an image can be called {named}, which cannot be pulled: {reference:?}");
        let again = ImageSpec::from_json(&json!({ "name": spec.name, "tag": "1" }));
        assert_eq!(again.ok().map(|again| again.name), Some(spec.name));
    }
}
