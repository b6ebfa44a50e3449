//! Files that one of Gantry's derivations writes and another reads: recipes, `layer.json`, `root.json`.

use std::fs;
use std::path::Path;

use gantry::assemble::Recipe;
use gantry::layer::RecordedLayer;
use gantry::root::Recorded;

pub fn recipe(data: &[u8]) {
    let Ok(recipe) = Recipe::from_json(data) else { return };
    let written = serde_json::to_vec(&recipe).expect("a recipe can be written");
    let again = Recipe::from_json(&written).expect("and be read again");
    assert_eq!(serde_json::to_vec(&again).expect("a recipe can be written"), written);
    let own = recipe.spec(None).is_ok();
    let named = recipe.spec(Some("registry.test:5000/app:1"));
    assert!(!own || named.is_ok(), "with another name it is refused: {named:?}");
    let _ = recipe.spec(Some(&String::from_utf8_lossy(data)));
}

pub fn layer(data: &[u8]) {
    let directory = directory("layer.json", data);
    let Ok(layer) = RecordedLayer::read(directory.path()) else { return };
    layer.write(directory.path()).expect("a layer.json can be written");
    assert_eq!(RecordedLayer::read(directory.path()).expect("and be read again"), layer);
    if let Some(blob) = &layer.blob {
        let path = RecordedLayer::blob_path(directory.path());
        fs::write(&path, b"blob").expect("the blob can be written");
        let found = layer.layer(directory.path());
        assert_eq!(found.is_ok_and(|found| found.is_some()), blob.size == 4);
    }
}

pub fn root(data: &[u8]) {
    let directory = directory("root.json", data);
    let Ok(root) = Recorded::read(directory.path()) else { return };
    let written = serde_json::to_vec(&root).expect("a root.json can be written");
    fs::write(directory.path().join("root.json"), written).expect("it can be written");
    assert_eq!(Recorded::read(directory.path()).expect("and be read again"), root);
}

/// A directory with a file in it: in memory, where the system has that.
fn directory(name: &str, content: &[u8]) -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let directory = directory.expect("there is room for a directory");
    fs::write(directory.path().join(name), content).expect("there is room for a file");
    directory
}
