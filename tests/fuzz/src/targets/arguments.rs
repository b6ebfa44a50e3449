//! The arguments of the builtins, as the derivations carry them: JSON.

use std::path::Path;

use gantry::spec::{
    ArgumentError, Base, DatabaseSpec, ImageSpec, IndexSpec, LayerSpec, Layering, PullSpec, RootSpec, check,
    check_pull,
};
use serde_json::Value;

pub fn run(data: &[u8]) {
    // A pipeline in a file, which may be no JSON.
    told(Layering::from_file(Path::new("/nix/store/pipeline.json"), data).map(drop));
    let Ok(arguments) = serde_json::from_slice::<Value>(data) else { return };
    told(check(&arguments));
    told(check_pull(&arguments));
    told(RootSpec::from_json(&arguments).map(drop));
    told(LayerSpec::from_json(&arguments).map(drop));
    told(Base::from_json(&arguments).map(drop));
    told(DatabaseSpec::from_json(&arguments).map(drop));
    told(IndexSpec::from_json(&arguments).map(drop));
    told(PullSpec::from_json(&arguments).map(drop));
    if let Ok(spec) = ImageSpec::from_json(&arguments) {
        assert_eq!(spec.name, spec.name.to_ascii_lowercase());
    }
}

/// An error names what it is about, and repeats no more than a part of the arguments.
fn told(result: Result<(), ArgumentError>) {
    if let Err(error) = result {
        let text = error.to_string();
        assert!(!text.is_empty() && text.len() < 64 << 10, "{} bytes: {text:.1000}", text.len());
    }
}
