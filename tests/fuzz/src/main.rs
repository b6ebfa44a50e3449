//! The fuzz targets in one executable. With the feature `engine`, libFuzzer searches with the target that
//! GANTRY_FUZZ_TARGET names; without it, `gantry-fuzz TARGET FILE...` replays inputs.

#![cfg_attr(feature = "engine", no_main)]

mod memory;
mod targets;

use std::sync::LazyLock;

/// The most memory that a target may have at once. An xz stream may ask for 130 MiB.
const MOST_MEMORY: usize = 192 << 20;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let wanted = name();
    match targets::TARGETS.iter().find(|(name, _)| *name == wanted) {
        Some((_, target)) => *target,
        None => {
            eprintln!("{wanted:?} is not a fuzz target; there are:");
            targets::TARGETS.iter().for_each(|(name, _)| println!("{name}"));
            std::process::exit(2);
        }
    }
});

#[cfg(feature = "engine")]
fn name() -> String {
    std::env::var("GANTRY_FUZZ_TARGET").unwrap_or_default()
}

#[cfg(not(feature = "engine"))]
fn name() -> String {
    std::env::args().nth(1).unwrap_or_default()
}

fn run(data: &[u8]) {
    memory::reset();
    TARGET(data);
    let most = memory::most();
    assert!(most <= MOST_MEMORY, "{most} bytes of memory for {} bytes of input", data.len());
}

#[cfg(feature = "engine")]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));

#[cfg(feature = "engine")]
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    // Most inputs with a wrong checksum are not worth trying.
    if seed % 8 > 0 && targets::TARS.contains(&name().as_str()) {
        targets::repair_checksums(&mut data[..size]);
    }
    size
});

#[cfg(not(feature = "engine"))]
fn main() {
    for path in std::env::args_os().skip(2) {
        run(&std::fs::read(&path).expect("the input can be read"));
    }
    LazyLock::force(&TARGET);
}
