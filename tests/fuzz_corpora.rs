//! Replays the corpora of the fuzz targets (`tests/fuzz`): inputs that reach all of the readers that a search has
//! reached, and those that have found something. `make fuzz` searches.

#[path = "fuzz/src/targets/mod.rs"]
mod targets;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, panic, thread};

use targets::TARGETS;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus")
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    entries.map(|entry| entry.expect("the directory can be read").path()).collect()
}

#[test]
fn readers_keep_their_rules_over_the_corpora() {
    let mut jobs = Vec::new();
    for (name, target) in TARGETS {
        let inputs = entries(&corpora().join(name));
        assert!(inputs.len() >= 10, "the corpus of {name} has {} inputs", inputs.len());
        jobs.extend(inputs.into_iter().map(|input| (target, input)));
    }
    let (next, broken) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, |count| count.get()) {
            scope.spawn(|| {
                while let Some((target, input)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let data = fs::read(input).expect("the input can be read");
                    if panic::catch_unwind(|| target(&data)).is_err() {
                        broken.lock().expect("no panic").push(input.display().to_string());
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().expect("no panic");
    assert!(broken.is_empty(), "these inputs break a rule:\n{}", broken.join("\n"));
}

#[test]
fn every_corpus_has_a_target_and_all_are_small() {
    let names: BTreeSet<PathBuf> = TARGETS.iter().map(|(name, _)| corpora().join(name)).collect();
    let directories = entries(&corpora());
    assert_eq!(directories.iter().cloned().collect::<BTreeSet<_>>(), names);
    let inputs = directories.iter().flat_map(|directory| entries(directory));
    let size: u64 = inputs.map(|input| input.metadata().expect("the input is there").len()).sum();
    assert!(size < 800_000, "the corpora have {size} bytes");
}
