//! All strategies against `tests/oracle/layering.py`, over random closures and pipelines.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::tests::graph;
use super::*;
use crate::closure::graph::PathInfo;
use crate::spec::{Operation, SplitPath};

/// SplitMix64: the same cases in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A closure whose names collide, whose sizes tie now and then, and whose paths refer to themselves.
///
/// One in eight has more paths than a block of `popularity` (64).
fn random_closure(random: &mut Random) -> Vec<PathInfo> {
    let count = if random.chance(12) { 60 + random.below(90) } else { random.below(26) };
    let sizes = [10, 1000, 1_000_000][random.below(3)];
    let density = random.below(7);
    let mut infos: Vec<PathInfo> = Vec::new();
    for _ in 0..count {
        let name = ["a", "a-b", "a-b-c", "ab", "glibc-2.40", "zlib"][random.below(6)];
        // The counter makes it unique; what precedes it keeps the order of paths from being topological.
        let path = format!(
            "/nix/store/{:x}{:03}{}-{name}",
            random.below(16),
            infos.len(),
            "q".repeat(random.below(3))
        );
        let mut references: Vec<String> = Vec::new();
        if random.chance(50) {
            references.push(path.clone());
        }
        for _ in 0..random.below(density + 1) {
            if !infos.is_empty() {
                references.push(infos[random.below(infos.len())].path.clone());
            }
        }
        references.sort();
        references.dedup();
        infos.push(PathInfo { path, nar_hash: None, nar_size: random.below(sizes) as u64, references });
    }
    infos
}

/// Operations that mostly fit what the one before them made.
fn random_pipeline(random: &mut Random, infos: &[PathInfo], mut kind: char, depth: usize) -> Vec<Operation> {
    let mut operations = Vec::new();
    for _ in 0..random.below(5) {
        if random.chance(3) {
            kind = ['g', 'l', 's'][random.below(3)]; // most likely a misfit
        }
        let operation = random_operation(random, infos, kind, depth);
        kind = match operation {
            Operation::SubcomponentOut(_) | Operation::SubcomponentIn(_) | Operation::SplitPaths(_) => 's',
            Operation::Flatten | Operation::SplitEvery(_) | Operation::PopularityContest => 'l',
            Operation::Pipe(_) => break, // whatever it made
            _ => kind,
        };
        operations.push(operation);
    }
    operations
}

fn random_operation(random: &mut Random, infos: &[PathInfo], kind: char, depth: usize) -> Operation {
    let nested = |random: &mut Random| match depth {
        0 => Operation::PopularityContest,
        _ => match random.chance(50) {
            true => Operation::Pipe(random_pipeline(random, infos, 'g', depth - 1)),
            false => random_operation(random, infos, 'g', depth - 1),
        },
    };
    let key = |random: &mut Random| ["main", "rest", "common", "none"][random.below(4)].to_owned();
    let path = |random: &mut Random| match infos.is_empty() || random.chance(10) {
        true => "/nix/store/0-elsewhere".to_owned(),
        false => infos[random.below(infos.len())].path.clone(),
    };
    let paths = |random: &mut Random| (0..random.below(4)).map(|_| path(random)).collect::<Vec<_>>();
    match kind {
        'g' => match random.below(7) {
            0 => Operation::SubcomponentOut(paths(random)),
            1 => Operation::SubcomponentIn(paths(random)),
            2 | 3 => {
                let split = |path, random: &mut Random| match random.chance(30) {
                    true => SplitPath::ChildrenOf(path),
                    false => SplitPath::Path(path),
                };
                let paths = paths(random);
                Operation::SplitPaths(paths.into_iter().map(|path| split(path, random)).collect())
            }
            4 => Operation::SplitEvery(random.below(20).min(7)),
            5 => Operation::RemovePaths(paths(random)),
            _ => Operation::PopularityContest,
        },
        'l' => match random.below(5) {
            0 => Operation::Map(Box::new(nested(random))),
            1 => Operation::Flatten,
            2 => Operation::Reverse,
            _ => Operation::LimitLayers(random.below(20)),
        },
        _ => match random.below(4) {
            0 => Operation::Flatten,
            1 => Operation::Reorder((0..random.below(4)).map(|_| key(random)).collect()),
            _ => Operation::Over(key(random), Box::new(nested(random))),
        },
    }
}

/// An operation as the user writes it.
fn written(operation: &Operation) -> Value {
    match operation {
        Operation::Pipe(operations) => json!(["pipe", operations.iter().map(written).collect::<Vec<_>>()]),
        Operation::Over(key, operation) => json!(["over", key, written(operation)]),
        Operation::Map(operation) => json!(["map", written(operation)]),
        Operation::Flatten => json!(["flatten"]),
        Operation::Reverse => json!(["reverse"]),
        Operation::Reorder(keys) => json!(["reorder", keys]),
        Operation::SubcomponentOut(paths) => json!(["subcomponent_out", paths]),
        Operation::SubcomponentIn(paths) => json!(["subcomponent_in", paths]),
        Operation::SplitPaths(paths) => {
            let path = |path: &SplitPath| match path {
                SplitPath::Path(path) => json!(path),
                SplitPath::ChildrenOf(path) => json!({ "children_of": path }),
            };
            json!(["split_paths", paths.iter().map(path).collect::<Vec<_>>()])
        }
        Operation::SplitEvery(size) => json!(["split_every", size]),
        Operation::RemovePaths(paths) => json!(["remove_paths", paths]),
        Operation::PopularityContest => json!(["popularity_contest"]),
        Operation::LimitLayers(most) => json!(["limit_layers", most]),
    }
}

fn written_layering(layering: &Layering) -> Value {
    match layering {
        Layering::Size => json!("size"),
        Layering::Popularity => json!("popularity"),
        Layering::Single => json!("single"),
        Layering::Pipeline(operations) => json!(operations.iter().map(written).collect::<Vec<_>>()),
    }
}

/// The oracle's answers to a list of cases.
fn oracle(cases: &Value) -> Vec<Value> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/layering.py");
    let mut python = Command::new("python3")
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed to test layering");
    // The oracle reads all of its input before it writes, so this cannot block both.
    python.stdin.take().unwrap().write_all(cases.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn agrees_with_the_oracle(seed: u64, count: usize, layering: impl Fn(&mut Random, &[PathInfo]) -> Layering) {
    let mut random = Random(seed);
    let mut cases = Vec::new();
    for _ in 0..count {
        let infos = random_closure(&mut random);
        let layering = layering(&mut random, &infos);
        let available = 1 + random.below(30);
        let least = if random.chance(25) { random.below(2000) as u64 } else { 0 };
        cases.push((infos, layering, available, least));
    }
    let node = |info: &PathInfo| {
        let PathInfo { path, nar_size, references, .. } = info;
        json!({ "path": path, "narSize": nar_size, "references": references })
    };
    let written: Vec<Value> = cases
        .iter()
        .map(|(infos, layering, available, least)| {
            json!({
                "graph": infos.iter().map(node).collect::<Vec<_>>(),
                "layering": written_layering(layering),
                "available": available,
                "minLayerSize": least,
            })
        })
        .collect();
    let answers = oracle(&json!(written));
    assert_eq!(answers.len(), count);
    for ((case, (infos, layering, available, least)), answer) in written.iter().zip(&cases).zip(answers) {
        let found = match plan(&graph(infos), layering, *available, *least) {
            Ok(layers) => json!(layers),
            Err(LayeringError::Pipeline(_)) => json!({ "error": "misfit" }),
            Err(LayeringError::TooManyLayers { .. }) => json!({ "error": "layers" }),
        };
        assert_eq!(found, answer, "{case}");
    }
}

#[test]
fn size_agrees_with_the_oracle() {
    agrees_with_the_oracle(1, 400, |_, _| Layering::Size);
}

#[test]
fn popularity_agrees_with_the_oracle() {
    agrees_with_the_oracle(2, 300, |_, _| Layering::Popularity);
}

#[test]
fn single_agrees_with_the_oracle() {
    agrees_with_the_oracle(3, 50, |_, _| Layering::Single);
}

#[test]
fn pipelines_agree_with_the_oracle() {
    agrees_with_the_oracle(4, 1500, |random, infos| {
        let mut operations = random_pipeline(random, infos, 'g', 3);
        if random.chance(40) {
            operations.extend([Operation::Flatten, Operation::LimitLayers(1 + random.below(10))]);
        }
        Layering::Pipeline(operations)
    });
}

#[test]
fn popularity_is_the_pipeline_of_nixpkgs_former_default() {
    let mut random = Random(5);
    for _ in 0..200 {
        let graph = graph(&random_closure(&mut random));
        let available = 1 + random.below(20);
        let pipeline =
            Layering::Pipeline(vec![Operation::PopularityContest, Operation::LimitLayers(available)]);
        assert_eq!(plan(&graph, &Layering::Popularity, available, 0), plan(&graph, &pipeline, available, 0));
    }
}
